import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

const variable = 'OTELCOL_PATH'
/** Of the collector's modules that are stable, and of the others: one release. */
const [stable, beta] = ['v1.71.0', 'v0.165.0']

const goMod = `module soma/otelcol
go 1.26.0
require (
${['component', 'confmap', 'confmap/provider/fileprovider', 'consumer', 'exporter', 'pdata', 'receiver'].map((name) => `\tgo.opentelemetry.io/collector/${name} ${stable}`).join('\n')}
${['otelcol', 'receiver/otlpreceiver', 'service'].map((name) => `\tgo.opentelemetry.io/collector/${name} ${beta}`).join('\n')}
)
`

/** The collector itself, with what the tests need of its parts: OTLP in, and a line of OTLP's JSON out for each export. */
const program = `package main

import (
	"context"
	"log"
	"os"
	"sync"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/confmap/provider/fileprovider"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/exporter"
	"go.opentelemetry.io/collector/otelcol"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
	"go.opentelemetry.io/collector/service/telemetry/otelconftelemetry"
)

type lines struct {
	component.StartFunc
	component.ShutdownFunc
	consumer.Traces
}

func newLines(context.Context, exporter.Settings, component.Config) (exporter.Traces, error) {
	var one sync.Mutex
	traces, err := consumer.NewTraces(func(_ context.Context, traces ptrace.Traces) error {
		text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(traces)
		if err != nil {
			return err
		}
		one.Lock()
		defer one.Unlock()
		_, err = os.Stdout.Write(append(text, '\\n'))
		return err
	})
	return &lines{Traces: traces}, err
}

func factories() (otelcol.Factories, error) {
	receivers, err := otelcol.MakeFactoryMap[receiver.Factory](otlpreceiver.NewFactory())
	if err != nil {
		return otelcol.Factories{}, err
	}
	settings := func() component.Config { return &struct{}{} }
	exporters, err := otelcol.MakeFactoryMap[exporter.Factory](
		exporter.NewFactory(component.MustNewType("lines"), settings, exporter.WithTraces(newLines, component.StabilityLevelDevelopment)))
	return otelcol.Factories{Receivers: receivers, Exporters: exporters, Telemetry: otelconftelemetry.NewFactory()}, err
}

func main() {
	command := otelcol.NewCommand(otelcol.CollectorSettings{
		BuildInfo: component.BuildInfo{Command: "otelcol", Version: "${beta}"},
		Factories: factories,
		ConfigProviderSettings: otelcol.ConfigProviderSettings{
			ResolverSettings: confmap.ResolverSettings{DefaultScheme: "file", ProviderFactories: []confmap.ProviderFactory{fileprovider.NewFactory()}},
		},
	})
	if err := command.Execute(); err != nil {
		log.Fatal(err)
	}
}
`

/** The path of an OpenTelemetry Collector, built once from the Go module proxy. Go's own folders are in the partial one, so nothing of what it downloads stays. */
export async function installCollector(): Promise<string> {
  const known = process.env[variable]
  if (known) return known
  const folder = await installOnce(`otelcol-${beta}`, async (target) => {
    const go = join(target, 'go')
    await writeFile(join(target, 'go.mod'), goMod)
    await writeFile(join(target, 'main.go'), program)
    const env = { ...process.env, GOPATH: go, GOBIN: '', GOCACHE: join(go, 'cache'), GOFLAGS: '-modcacherw -mod=mod', CGO_ENABLED: '0' }
    // measured: not optimized it takes three quarters of the time, and is fast enough
    await runCommand('go', ['build', '-trimpath', '-gcflags=all=-N -l', '-ldflags=-s -w', '-o', join(target, 'partial'), '.'], { cwd: target, env }).catch((cause: unknown) => {
      throw new Error(`The collector is built by Go 1.26 or newer: install it, or let ${variable} name an OpenTelemetry Collector that has the exporter \`lines\` of this file.`, {
        cause,
      })
    })
    await rename(join(target, 'partial'), join(target, 'otelcol'))
    await rm(go, { recursive: true })
  })
  return join(folder, 'otelcol')
}
