import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  environmentName,
  flagName,
  loadConfig,
  readHubEnvironment,
  readUpstreamKeys,
  SETTINGS,
} from './config.ts';

const folder = mkdtempSync(join(tmpdir(), 'steno-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(text: string): string {
  const path = join(folder, `${Math.random()}.yaml`);
  writeFileSync(path, text);
  return path;
}

describe('loadConfig', () => {
  it('starts without any setting: loopback, port 8080, no keys', () => {
    expect(loadConfig({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      apiKeys: [],
      strictModel: false,
      profile: 'stenographer',
    });
    expect(Object.isFrozen(loadConfig({}))).toBe(true);
  });

  it('takes flags over the environment over the file', () => {
    const path = file('port: 1\nhost: file.example\nlogLevel: warn\n');
    const environment = { STENO_PORT: '2', STENO_HOST: '::1', STENO_CONFIG: path };
    expect(loadConfig({ environment, flags: { port: '3', host: undefined } })).toMatchObject({
      port: 3,
      host: '::1',
      logLevel: 'warn',
    });
  });

  it('counts empty and missing values as not given', () => {
    const environment = {
      STENO_PORT: '',
      STENO_HOST: '  ',
      STENO_API_KEYS: '',
      STENO_CONFIG: '',
      OTHER: 'x',
    };
    expect(loadConfig({ environment })).toEqual(loadConfig({}));
    expect(loadConfig({ file: file('port:\n') }).port).toBe(8080);
    expect(loadConfig({ file: file('# nothing\n') }).port).toBe(8080);
  });

  it('reads lists, pairs, numbers and switches from text', () => {
    const environment = {
      STENO_API_KEYS: ' one, two ,,',
      STENO_ALIASES: 'dictation = moonshine-tiny,a=b=c',
      STENO_MAX_AUDIO_SECONDS: '1.5',
      STENO_STRICT_MODEL: 'Yes',
      STENO_DOCS: 'off',
    };
    expect(loadConfig({ environment })).toMatchObject({
      apiKeys: ['one', 'two'],
      aliases: { dictation: 'moonshine-tiny', a: 'b=c' },
      maxAudioSeconds: 1.5,
      strictModel: true,
      docs: false,
    });
  });

  it('refuses what is no number or out of range, naming where it came from', () => {
    expect(() => loadConfig({ environment: { STENO_PORT: '80 80' } })).toThrow(/^STENO_PORT: .*number/);
    expect(() => loadConfig({ environment: { STENO_PORT: '0x50' } })).toThrow(/STENO_PORT/);
    expect(() => loadConfig({ flags: { port: '70000' } })).toThrow(/^--port: .*65535/);
    expect(() => loadConfig({ flags: { port: '' } })).toThrow(/--port/);
    expect(() => loadConfig({ flags: { maxUploadBytes: '2000.5' } })).toThrow(/--max-upload-bytes/);
    expect(() => loadConfig({ file: file('port: true\n') })).toThrow(/port in .*yaml/);
    expect(() => loadConfig({ environment: { STENO_ALIASES: 'dictation' } })).toThrow(
      /STENO_ALIASES: expected alias=model/,
    );
    expect(() => loadConfig({ environment: { STENO_STRICT_MODEL: 'maybe' } })).toThrow(/STENO_STRICT_MODEL/);
  });

  it('refuses unknown settings and unreadable files', () => {
    expect(() => loadConfig({ environment: { STENO_PROT: '1' } })).toThrow(
      /STENO_PROT is not a setting.*STENO_PORT/,
    );
    expect(() => loadConfig({ file: file('prot: 1\n') })).toThrow(/prot/);
    expect(() => loadConfig({ file: file('- a\n') })).toThrow(/name: value/);
    expect(() => loadConfig({ file: join(folder, 'none.yaml') })).toThrow(/cannot be read/);
  });

  it('never repeats a key in its message', () => {
    expect(() => loadConfig({ flags: { apiKeys: { secret: 1 } } })).toThrow(/^(?!.*secret).*--api-keys/);
  });

  it("takes OpenAI's limits with the profile, unless they are set", () => {
    const environment = { STENO_PROFILE: 'openai' };
    expect(loadConfig({ environment })).toMatchObject({ maxUploadBytes: 26_214_400, strictModel: true });
    const explicit = { ...environment, STENO_STRICT_MODEL: 'false', STENO_MAX_UPLOAD_BYTES: '4096' };
    expect(loadConfig({ environment: explicit })).toMatchObject({ maxUploadBytes: 4096, strictModel: false });
    expect(() => loadConfig({ environment: { STENO_PROFILE: 'toString' } })).toThrow(/STENO_PROFILE/);
  });
});

describe('names of settings', () => {
  it('follow from the setting', () => {
    expect(environmentName('maxUploadBytes')).toBe('STENO_MAX_UPLOAD_BYTES');
    expect(flagName('maxUploadBytes')).toBe('max-upload-bytes');
    expect(new Set(SETTINGS.map(environmentName)).size).toBe(SETTINGS.length);
  });
});

describe('upstreams and routes', () => {
  const yaml =
    'upstreams:\n  openai: { baseUrl: https://api.openai.com/v1, apiKeyEnv: OPENAI_API_KEY }\nroutes:\n  w: [openai/whisper-1]\n';

  it('are maps in the file and JSON elsewhere', () => {
    const fromFile = loadConfig({ file: file(yaml) });
    const environment = {
      STENO_UPSTREAMS: JSON.stringify(fromFile.upstreams),
      STENO_ROUTES: '{"w":["openai/whisper-1"]}',
    };
    expect(loadConfig({ environment })).toEqual(fromFile);
    expect(fromFile.routes).toEqual({ w: ['openai/whisper-1'] });
  });

  it('name the field at fault', () => {
    expect(() => loadConfig({ environment: { STENO_ROUTES: 'w=openai/x' } })).toThrow(
      /STENO_ROUTES: expected JSON/,
    );
    expect(() =>
      loadConfig({ file: file('upstreams:\n  a: { baseUrl: https://h/v1, retries: 99 }\n') }),
    ).toThrow(/upstreams in .*: a\.retries: /);
    expect(() =>
      loadConfig({ file: file('upstreams:\n  a: { baseUrl: https://h/v1, apiKey: sk-1 }\n') }),
    ).toThrow(/upstreams in .*: a: .*apiKey/);
  });

  it('take keys from the variables that they name, and only from there', () => {
    const { upstreams } = loadConfig({ file: file(yaml) });
    expect(readUpstreamKeys(upstreams, { OPENAI_API_KEY: ' sk-1 ' })).toEqual(new Map([['openai', 'sk-1']]));
    for (const environment of [{}, { OPENAI_API_KEY: '  ' }])
      expect(() => readUpstreamKeys(upstreams, environment)).toThrow(
        /upstreams\.openai\.apiKeyEnv .*OPENAI_API_KEY/,
      );
    expect(() => readUpstreamKeys(upstreams, { OPENAI_API_KEY: 'sk\u2013secret' })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('secret') }),
    );
  });
});

describe('readHubEnvironment', () => {
  it('reads the names that hub tools and proxies have, small letters first, empty ones as absent', () => {
    const read = readHubEnvironment({
      HF_ENDPOINT: ' https://mirror.example ',
      HF_TOKEN: '',
      HTTPS_PROXY: 'http://big:1',
      https_proxy: 'http://small:1',
      ALL_PROXY: 'http://all:1',
      NO_PROXY: 'localhost',
    });
    expect(read).toEqual({
      endpoint: 'https://mirror.example',
      token: undefined,
      httpProxy: 'http://all:1',
      httpsProxy: 'http://small:1',
      noProxy: 'localhost',
    });
  });
});
