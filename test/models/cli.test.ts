import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, JFK, runCli, temporaryFolder } from '../support/run-cli.ts';

const folder = temporaryFolder();
beforeAll(buildCli);
afterAll(() => folder.remove());

const environment = { STENO_DATA_DIR: join(folder.path, 'data'), STENO_ENGINE_PROCESSES: '1' };
const steno = (args: string[], stdin?: Buffer) =>
  runCli(args, { environment, ...(stdin === undefined ? {} : { stdin }) });
const WORDS = /ask not what your country can do for you/i;

describe('steno transcribe', () => {
  it('prints the text on stdout and plain lines on stderr', async () => {
    const ended = await steno(['transcribe', JFK]);
    expect(ended.code).toBe(0);
    expect(ended.stdout).toMatch(WORDS);
    expect(ended.stdout.split('\n')).toHaveLength(2);
    expect(ended.stderr).toMatch(/^\S+jfk\.wav: 11\.0 s of audio in \d+\.\d s\n$/);
  });

  it('reads standard input and keeps quiet when asked', async () => {
    const ended = await steno(['transcribe', '-', '--quiet', '--format', 'json'], readFileSync(JFK));
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(ended.stdout).text).toMatch(WORDS);
  });

  it('writes one file to a path', async () => {
    const path = join(folder.path, 'new', 'speech.srt');
    const ended = await steno(['transcribe', JFK, '--format', 'srt', '--output', path]);
    expect(ended).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(path, 'utf8')).toMatch(/^1\n00:00:0\d,\d{3} --> /);
  });

  it('writes several files into a folder, goes on after a bad one and ends with its code', async () => {
    const bad = join(folder.path, 'bad.mp3');
    writeFileSync(bad, 'no sound at all');
    const results = join(folder.path, 'results');
    const ended = await steno([
      'transcribe',
      bad,
      join(folder.path, 'missing.wav'),
      JFK,
      '-f',
      'vtt',
      '-o',
      results,
    ]);
    expect(ended.code).toBe(3);
    expect(ended.stderr).toMatch(/bad\.mp3: The audio file could not be decoded/);
    expect(ended.stderr).toMatch(/missing\.wav: there is no such file/);
    expect(readdirSync(results)).toEqual(['jfk.vtt']);
  });

  it('ends with 4 for a model or language that is not here', async () => {
    const model = await steno(['transcribe', JFK, '--model', 'whisper-9']);
    expect(model).toMatchObject({ code: 4, stdout: '' });
    expect(model.stderr).toMatch(/whisper-9.*moonshine-tiny/);
    const language = await steno(['transcribe', JFK, '--language', 'de']);
    expect(language).toMatchObject({ code: 4, stdout: '' });
    expect((await steno(['transcribe', JFK, '--language', 'en-US'])).code).toBe(0);
  });

  it('ends with 5 when the result cannot be written', async () => {
    const ended = await steno(['transcribe', JFK, '--output', join(JFK, 'inside-a-file.txt')]);
    expect(ended.code).toBe(5);
    expect(ended.stderr).toMatch(/cannot be written/);
  });

  it('leaves nothing in the data folder', () => {
    expect(readdirSync(join(folder.path, 'data', 'scratch'))).toEqual([]);
  });
});

describe('steno doctor', () => {
  it('finds the model files in order', async () => {
    const ended = await steno(['doctor']);
    expect(ended.stdout).toMatch(/ok {3}Node v/);
    expect(ended.stdout).toMatch(/ok .*encoder_model\.onnx/);
  });

  it('ends with 1 and names what is missing', async () => {
    const ended = await steno(['doctor', '--models-dir', folder.path]);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toMatch(/BAD .*encoder_model\.onnx: ENOENT/);
  });
});
