import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Addresses that the examples name, and where the servers really are. */
export type ExampleServers = Readonly<Record<string, string>>;

const EXAMPLE = /^```sh\n([\s\S]*?)\n```\n\n```text\n([\s\S]*?)```$/gm;
/** A page with the answer below each of its commands written anew. */
export async function runExamples(page: string, servers: ExampleServers): Promise<string> {
  const answers = new Map<string, string>();
  for (const [example, command = ''] of page.matchAll(EXAMPLE))
    answers.set(example, await run(command, servers));
  return page.replace(EXAMPLE, (example: string, command: string) => {
    return `\`\`\`sh\n${command}\n\`\`\`\n\n\`\`\`text\n${answers.get(example)}\n\`\`\``;
  });
}

/** Whether two pages say the same, apart from ids and from numbers that differ a little between processors. */
export function sameAnswers(left: string, right: string): boolean {
  const number = /-?\d+\.\d+/g;
  const words = (page: string) => page.replace(number, '#');
  if (words(left) !== words(right)) return false;
  const rights = right.match(number) ?? [];
  return (left.match(number) ?? []).every((text, index) => {
    const [a, b] = [Number(text), Number(rights[index])];
    return Math.abs(a - b) <= 0.02 + 0.02 * Math.abs(a);
  });
}

/** Status, type and warnings, then the body, all of it as curl got it but for the indentation of JSON. */
async function run(command: string, servers: ExampleServers): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'steno-example-'));
  try {
    const headerPath = join(folder, 'headers');
    let script = `curl() { command curl -sS -D '${headerPath}' "$@"; }\n${command}`;
    for (const [named, real] of Object.entries(servers)) script = script.replaceAll(named, real);
    const body = await runBash(script);
    return describeAnswer(await readFile(headerPath, 'utf8'), body);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function runBash(script: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('bash', ['-c', script], { maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      // curl may end with an error of its own when the server refuses an upload early.
      if (stdout === '') reject(new Error(`${script}: ${stderr || error?.message}`));
      else resolve(stdout);
    });
  });
}

/** The last of several answers counts: the first may be an interim one. */
function describeAnswer(headers: string, body: string): string {
  const lines =
    headers
      .trim()
      .split(/\r?\n\r?\n/)
      .at(-1)
      ?.split(/\r?\n/) ?? [];
  const status = lines[0]?.split(' ')[1] ?? '';
  const valuesOf = (name: string) =>
    lines.flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
  const [type = ''] = valuesOf('content-type');
  const warnings = valuesOf('x-steno-warning').map((warning) => `x-steno-warning: ${warning}`);
  return `${[`${status} ${type}`, ...warnings].join('\n')}\n\n${readable(body, type)}`.trimEnd();
}

function readable(body: string, type: string): string {
  if (type !== 'application/json') return body.replaceAll('\r', '');
  try {
    return indent(JSON.parse(body));
  } catch {
    // The command shows the beginning only.
    return `${body} ...`;
  }
}

/** Indented, with lists of numbers and small objects on one line. */
function indent(value: unknown): string {
  return JSON.stringify(value, null, 2)
    .replace(/\[[-\d\s,.]+\]/g, (list) => list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']'))
    .replace(/\{\n\s+"(?:word|type)": [^{}]*\}/g, (small) => small.replace(/\s*\n\s*/g, ' '));
}
