/** The page's only style sheet; it goes into the page, and its hash into the Content-Security-Policy. */
export const style = `
:root { color-scheme: light dark; --text: light-dark(#1b2330, #e4e8ef); --quiet: light-dark(#5a6576, #98a3b5); --line: light-dark(#dde2ea, #2b3340);
  --page: light-dark(#f6f7fa, #10141b); --card: light-dark(#ffffff, #171d27); --code: light-dark(#f1f3f8, #0c1016); --accent: light-dark(#3b4fd8, #8fa2ff);
  --on-accent: light-dark(#ffffff, #10141b); --get: light-dark(#0a6b52, #5fd3ae); --post: light-dark(#2f4bc7, #8fa8ff); --patch: light-dark(#8a5200, #f0b866);
  --delete: light-dark(#b3263a, #ff8c9a); --mono: ui-monospace, 'SF Mono', 'Cascadia Code', Menlo, Consolas, 'DejaVu Sans Mono', monospace }
* { box-sizing: border-box }
html { scroll-padding-top: 5rem; scroll-behavior: smooth }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto } }
body { margin: 0; font: 15px/1.55 system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif; color: var(--text); background: var(--page) }
code, pre, textarea, .mono { font-family: var(--mono); font-size: .86rem }
a { color: var(--accent) }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
.skip { position: absolute; left: -99rem } .skip:focus { left: 1rem; top: 1rem; z-index: 3; background: var(--card); padding: .5rem 1rem }
.top { position: sticky; top: 0; z-index: 2; display: flex; flex-wrap: wrap; gap: .5rem 1.5rem; align-items: center; padding: .7rem 1.5rem; background: var(--card); border-bottom: 1px solid var(--line) }
.top h1 { font-size: 1.1rem; margin: 0; letter-spacing: -.01em } .top h1 small { font-weight: 400; color: var(--quiet); margin-left: .4rem }
.top .credential { margin-left: auto; display: flex; gap: .6rem; align-items: center } .top .credential input { width: 19rem; max-width: 60vw }
.columns { display: grid; grid-template-columns: 19rem minmax(0, 1fr); max-width: 84rem; margin: 0 auto }
nav { position: sticky; top: 3.9rem; align-self: start; max-height: calc(100vh - 3.9rem); overflow: auto; padding: 1.4rem .5rem 2rem 1.5rem }
nav h2, main h2 { font-size: .74rem; text-transform: uppercase; letter-spacing: .09em; color: var(--quiet); margin: 1.3rem 0 .5rem } nav h2:first-child { margin-top: 0 }
nav ul { list-style: none; margin: 0; padding: 0 } nav a { display: flex; gap: .5rem; align-items: baseline; padding: .16rem .4rem; border-radius: 6px; text-decoration: none; color: inherit }
nav a:hover { background: var(--line) } nav code { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: .78rem }
main { padding: 1.4rem 1.5rem 6rem; min-width: 0 } main > p:first-child { margin: 0 0 .6rem; color: var(--quiet); max-width: 46rem }
.method { flex: none; font: 700 .66rem/1 var(--mono); letter-spacing: .04em; width: 3.4rem; color: var(--quiet) }
.GET { color: var(--get) } .POST { color: var(--post) } .PATCH { color: var(--patch) } .DELETE { color: var(--delete) }
.operation { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 0 0 .6rem; overflow: clip }
.operation > summary { display: flex; gap: .6rem; align-items: baseline; padding: .7rem 1rem; cursor: pointer; list-style: none } .operation > summary::-webkit-details-marker { display: none }
.operation > summary:hover { background: light-dark(#f8f9fc, #1b222d) } .operation[open] > summary { border-bottom: 1px solid var(--line) }
.operation h3 { margin: 0; font-size: .9rem; font-weight: 600 } .operation > summary span:last-child { color: var(--quiet); margin-left: auto; text-align: right }
.inside { padding: 1rem } .inside > p { margin: 0 0 .9rem; max-width: 46rem }
label, .label { display: block; font-size: .8rem; font-weight: 600; margin-bottom: .2rem } label small { font-weight: 400; color: var(--quiet) }
input, textarea { width: 100%; font: inherit; color: inherit; background: var(--code); border: 1px solid var(--line); border-radius: 6px; padding: .42rem .6rem }
textarea { font-family: var(--mono); font-size: .86rem; resize: vertical; tab-size: 2 } ::placeholder { color: var(--quiet); opacity: .75 }
form .more { margin: .6rem 0 0 } form .more .fields { margin: .7rem 0 0 }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: .8rem; border: 0; margin: 0 0 1rem; padding: 0; min-width: 0 } .fields .note { margin: .2rem 0 0; font-size: .78rem; color: var(--quiet) }
.actions { display: flex; gap: .6rem; margin: .8rem 0; align-items: center } .actions .hint { color: var(--quiet); font-size: .78rem }
button { font: 600 .86rem/1 inherit; font-family: inherit; padding: .55rem 1rem; border-radius: 6px; border: 1px solid var(--line); background: var(--card); color: inherit; cursor: pointer }
button[type=submit] { background: var(--accent); border-color: var(--accent); color: var(--on-accent) } button:disabled { opacity: .55; cursor: progress }
pre { margin: 0; padding: .7rem .8rem; overflow: auto; max-height: 32rem; background: var(--code); border: 1px solid var(--line); border-radius: 6px; white-space: pre-wrap; overflow-wrap: anywhere }
.answer { margin-top: 1rem; border-left: 3px solid var(--line); padding-left: .9rem } .answer.good { border-color: var(--get) } .answer.bad { border-color: var(--delete) }
.answer .status { font-weight: 700; margin: 0 0 .5rem } .good .status b { color: var(--get) } .bad .status b { color: var(--delete) } .status span { font-weight: 400; color: var(--quiet); margin-left: .6rem }
.more { margin-top: .6rem } .more > summary { cursor: pointer; color: var(--quiet); font-size: .84rem } .answer .more { margin: .5rem 0 0 }
table { border-collapse: collapse; width: 100%; margin-top: .4rem; font-size: .84rem } td, th { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere } th { font-weight: 600; white-space: nowrap } td:nth-child(2) { color: var(--quiet); font-family: var(--mono); font-size: .78rem }
@media (max-width: 56rem) { .columns { grid-template-columns: minmax(0, 1fr) } nav { display: none } .operation > summary { flex-wrap: wrap } .operation > summary span:last-child { margin: 0; width: 100%; text-align: left } .top .credential { margin: 0 } }
`
