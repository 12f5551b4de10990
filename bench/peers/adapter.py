"""What adapter.ts is for the peers in Python: takes work as JSON lines, times each operation here, and answers on the fourth file descriptor."""

import json
import os
import resource
import signal
import sys
import traceback
from array import array
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

DIMENSION, AT_MOST, TOP_K, TENANT = 384, 16, 10, "bench"
name, url, vectors_file, folder = sys.argv[1:5]
vectors = {}
file = os.open(vectors_file, os.O_RDONLY)


def prepare(items):
    """What an embedding server would have answered: read before the clock starts, in eight decimals as such servers write them."""
    for item in items:
        size = DIMENSION * 4
        numbers = array("f", os.pread(file, size, item["number"] * size))
        vectors[item["text"]] = [round(number, 8) for number in numbers]


class LangGraph:
    """PostgresStore over a pool. The key is the application's, so a store that is repeated overwrites."""

    def __init__(self):
        from langgraph.store.base import PutOp
        from langgraph.store.postgres import PostgresStore

        index = {"dims": DIMENSION, "embed": lambda texts: [vectors[text] for text in texts], "fields": ["text"]}
        self.opened = PostgresStore.from_conn_string(url, pool_config={"min_size": 1, "max_size": AT_MOST}, index=index)
        self.store_of = self.opened.__enter__()
        self.store_of.setup()
        self.put = PutOp

    def store(self, user, items):
        self.store_of.batch([self.put((TENANT, user), f"memory-{item['number']}", {"text": item["text"]}) for item in items])

    def search(self, user, question):
        return [found.value["text"] for found in self.store_of.search((TENANT, user), query=question["text"], limit=TOP_K)]


class Precomputed:
    def embed(self, text, memory_action=None):
        return vectors[text]

    def embed_batch(self, texts, memory_action=None):
        return [vectors[text] for text in texts]


class Mem0:
    """infer=False: no language model is asked, a text is stored as it is."""

    def __init__(self):
        from mem0 import Memory

        store = {"connection_string": url, "collection_name": "memories", "embedding_model_dims": DIMENSION, "maxconn": AT_MOST}
        history = os.path.join(folder, "mem0-py-history.db")
        self.memory = Memory.from_config({"vector_store": {"provider": "pgvector", "config": store}, "history_db_path": history})
        self.memory.embedding_model = Precomputed()

    def store(self, user, items):
        messages = [{"role": "user", "content": item["text"]} for item in items]
        self.memory.add(messages, user_id=user, infer=False)

    def search(self, user, question):
        found = self.memory.search(question["text"], top_k=TOP_K, filters={"user_id": user})
        return [one["memory"] for one in found["results"]]


def run(peer, work):
    operations, warm, at_once = work["operations"], work["warm"], work["atOnce"]

    def perform(operation):
        items = operation["items"]
        if at_once == 1:
            vectors.clear()
            prepare(items)
        started = perf_counter()
        found = peer.store(operation["user"], items) if work["verb"] == "store" else peer.search(operation["user"], items[0])
        return (perf_counter() - started) * 1000, found or []

    vectors.clear()
    if at_once > 1:
        for operation in operations:
            prepare(operation["items"])
    with ThreadPoolExecutor(at_once) as threads:
        many = map if at_once == 1 else threads.map
        list(many(perform, operations[:warm]))
        started = perf_counter()
        done = list(many(perform, operations[warm:]))
    return {"ms": [ms for ms, _ in done], "texts": [found for _, found in done], "seconds": perf_counter() - started}


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def main():
    # the signals of a terminal reach us too: the benchmark decides
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with os.fdopen(3, "w") as answers:

        def answer(work):
            try:
                done = work()
            except Exception:
                done = {"error": traceback.format_exc()}
            answers.write(json.dumps({"ms": [], "texts": [], "seconds": 0, **done, "rss": resident()}) + "\n")
            answers.flush()

        opened = []
        answer(lambda: opened.append({"langgraph-py": LangGraph, "mem0-py": Mem0}[name]()) or {})
        for line in sys.stdin if opened else []:
            answer(lambda: run(opened[0], json.loads(line)))
    os._exit(0)  # pools have threads that would go on


main()
