import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageOf } from '../../src/engines/whisper-cpp/binding.ts';
import { WHISPER_SAYS, writeGgmlWhisper } from '../support/ggml-whisper.ts';
import { buildCli, type Ended, JFK, runCli, temporaryFolder } from '../support/run-cli.ts';

let hasBinding = true;
try {
  createRequire(import.meta.url).resolve(packageOf('cpu'));
} catch {
  hasBinding = false;
}

const folder = temporaryFolder();
const environment = { STENO_DATA_DIR: join(folder.path, 'data'), STENO_ENGINE_PROCESSES: '1' };
afterAll(() => folder.remove());

function transcribe(...args: string[]): Promise<Ended> {
  return runCli(['transcribe', '--quiet', ...args, JFK], { environment });
}

const said = (segments: readonly { readonly text: string }[]) =>
  `${segments.map(({ text }) => text).join(' ')}\n`;

beforeAll(buildCli);

describe.skipIf(!hasBinding)(`steno transcribe with a Whisper model (needs ${packageOf('cpu')})`, () => {
  const tones = (...args: string[]) => transcribe('--model', 'tones', ...args);

  beforeAll(async () => {
    const path = join(folder.path, 'tones.bin');
    await writeGgmlWhisper(path);
    const imported = await runCli(
      ['models', 'import', path, '--as', 'tones', '--engine', 'whisper-cpp', '--languages', 'en,zh,de,fr'],
      { environment },
    );
    expect(imported.code, imported.stderr).toBe(0);
  });

  it('hears the language, or takes the one it is told', async () => {
    expect(await tones()).toEqual({ code: 0, stdout: said(WHISPER_SAYS.en), stderr: '' });
    expect(await tones('--language', 'de')).toEqual({ code: 0, stdout: said(WHISPER_SAYS.de), stderr: '' });
  });

  it('translates', async () => {
    const { translated } = WHISPER_SAYS;
    expect(await tones('--translate')).toMatchObject({ code: 0, stdout: said(translated.en) });
    expect(await tones('--translate', '-l', 'fr')).toMatchObject({ code: 0, stdout: said(translated.fr) });
    const verbose = await tones('--translate', '--format', 'verbose_json');
    expect(JSON.parse(verbose.stdout)).toMatchObject({ task: 'translate', language: 'english' });
  });

  it('hands prompt and keywords to the model, and says which keywords had no room', async () => {
    const zebra = { code: 0, stdout: said(WHISPER_SAYS.prompted), stderr: '' };
    expect(await tones('--prompt', 'A zebra.')).toEqual(zebra);
    expect(await tones('--keywords', 'horse, zebra')).toEqual(zebra);
    expect(await tones('--keywords', 'horse', '--keywords', 'zebra')).toEqual(zebra);
    const many = Array.from({ length: 60 }, (_, index) => `animal-${index}`).join(',');
    const { code, stdout, stderr } = await tones('--keywords', `${many},zebra`);
    expect([code, stdout]).toEqual([0, said(WHISPER_SAYS.en)]);
    expect(stderr).toMatch(/^steno: warning: Of 61 keywords only the first \d+ were used/);
  });

  it('ends with 4 for a language that it does not know', async () => {
    const { code, stdout, stderr } = await tones('--language', 'ja');
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toContain("not 'ja'");
  });
});

describe('steno transcribe with a model that cannot', () => {
  it('translate: ends with 4 and names models that can', async () => {
    const { code, stdout, stderr } = await transcribe('--translate');
    expect([code, stdout]).toEqual([4, '']);
    expect(stderr).toMatch(/cannot translate\. Use a model that can \((?:installed here: tones|.*whisper-)/);
  });

  it('be used because it is not here: ends with 4 and says how to get it', async () => {
    const { code, stderr } = await transcribe('--model', 'whisper-small');
    expect(code).toBe(4);
    expect(stderr).toContain('steno models pull whisper-small');
  });
});
