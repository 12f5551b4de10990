import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installOnce } from './cache.ts'
import { runCommand } from './command.ts'

const version = '0.0.22'
const sdk = 'github.com/grafana/grafana-foundation-sdk/go'

/** The kinds of panels and queries whose options are read too. */
const plugins = { Panelcfg: ['stat', 'statetimeline', 'table', 'text', 'timeseries'], Dataquery: ['prometheus'] }
const registered = Object.entries(plugins).flatMap(([kind, names]) => names.map((name) => `	runtime.Register${kind}Variant(${name}.VariantConfig())`))

/**
 * Reads each file as a dashboard and refuses what Grafana's schema has not. Two ways of its strict reading are made up for here: where nothing is wrong it answers an empty list, not nil, and
 * keeps too little for Validate; and of a panel it leaves the field configuration out.
 */
const source = `package main

import (
	"encoding/json"
	"fmt"
	"os"

${['cog', 'dashboard', ...Object.values(plugins).flat()].map((name) => `	"${sdk}/${name}"`).join('\n')}
)

func read(file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var strict, whole dashboard.Dashboard
	if err := strict.UnmarshalJSONStrict(content); err != nil && err.Error() != "" {
		return err
	}
	var parts struct{ Panels []struct{ FieldConfig json.RawMessage } }
	if err := json.Unmarshal(content, &parts); err != nil {
		return err
	}
	for at, panel := range parts.Panels {
		var config dashboard.FieldConfigSource
		if err := config.UnmarshalJSONStrict(panel.FieldConfig); err != nil && err.Error() != "" {
			return fmt.Errorf("panels[%d].fieldConfig: %w", at, err)
		}
	}
	if err := json.Unmarshal(content, &whole); err != nil {
		return err
	}
	return whole.Validate()
}

func main() {
	runtime := cog.NewRuntime()
${registered.join('\n')}
	status := 0
	for _, file := range os.Args[1:] {
		if err := read(file); err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\\n", file, err)
			status = 1
		}
	}
	os.Exit(status)
}
`

/** A program that holds dashboards against Grafana's own schema, without a Grafana: its Go types, which are made of that schema, read them strictly. Built once. */
export async function installGrafanaDecoder(): Promise<string> {
  const folder = await installOnce(`grafana-decoder-${version}`, async (target) => {
    const go = join(target, 'go')
    const run = (...args: string[]) =>
      runCommand('go', args, { cwd: target, env: { ...process.env, GOPATH: go, GOCACHE: join(go, 'cache'), GOFLAGS: '-modcacherw', CGO_ENABLED: '0' } })
    await writeFile(join(target, 'main.go'), source)
    await run('mod', 'init', 'decoder')
    await run('get', `${sdk}@v${version}`)
    await run('build', '-trimpath', '-ldflags=-s -w', '-o', 'decoder', '.')
    await rm(go, { recursive: true })
  })
  return join(folder, 'decoder')
}
