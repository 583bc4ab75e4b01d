import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, JFK, runCli, temporaryFolder } from '../support/run-cli.ts';

const folder = temporaryFolder();
beforeAll(buildCli);
afterAll(() => folder.remove());

const environment = { STENO_DATA_DIR: folder.path };

describe('steno', () => {
  it('prints its help and its version on stdout', async () => {
    const help = await runCli(['--help']);
    expect(help).toMatchObject({ code: 0, stderr: '' });
    expect(help.stdout).toMatch(/serve[\s\S]*transcribe[\s\S]*doctor[\s\S]*Exit codes/);
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect((await runCli(['serve', '--help'])).stdout).toContain('STENO_MAX_UPLOAD_BYTES');
  });

  it('ends with 2 on wrong usage and says what is right', async () => {
    const cases: [string[], RegExp][] = [
      [['sing'], /unknown command 'sing'/],
      [['transcribe'], /missing required argument/],
      [['transcribe', JFK, '--format', 'docx'], /Allowed choices are json, text, srt, verbose_json, vtt/],
      [['transcribe', JFK, '--temperature', '2'], /from 0 to 1/],
      [['transcribe', JFK, JFK, '--format', 'srt'], /--output/],
      [['serve', '--port', 'eighty'], /--port: .*number/],
      [['serve', '--prot', '1'], /unknown option '--prot'/],
      [['serve', '--config', '/nonexistent.yaml'], /cannot be read/],
    ];
    for (const [args, message] of cases) {
      const ended = await runCli(args, { environment });
      expect(ended.stderr).toMatch(message);
      expect(ended).toMatchObject({ code: 2, stdout: '' });
    }
  });

  it('ends with 2 on a bad setting of the environment, naming it', async () => {
    const ended = await runCli(['serve'], { environment: { STENO_PORT: '-1' } });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/^steno: STENO_PORT: .*\n$/);
  });

  it('refuses to serve other machines without a key', async () => {
    const ended = await runCli(['serve', '--host', '0.0.0.0', '--port', '0', '--log-level', 'silent'], {
      environment,
    });
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/STENO_API_KEYS/);
  });

  it('says so when the port is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const ended = await runCli(['serve', '--port', String(port), '--log-level', 'silent'], { environment });
    other.close();
    expect(ended.code).toBe(2);
    expect(ended.stderr).toMatch(/another program listens there.*--port/);
  });
});
