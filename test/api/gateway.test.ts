import { setTimeout as sleep } from 'node:timers/promises';
import type OpenAI from 'openai';
import { afterEach, describe, expect, it } from 'vitest';
import { InvalidAudioError, QueueTimeoutError } from '../../src/errors.ts';
import { createStoredKey } from '../../src/store/api-key.ts';
import { openDataStore } from '../../src/store/sqlite/open-store.ts';
import {
  answer,
  closedBaseUrl,
  events,
  type FakeUpstream,
  hangBeforeHeaders,
  json,
  startFakeUpstream,
} from '../support/fake-upstream.ts';
import { type GatewayOptions, startGateway, wavRecording } from '../support/gateway.ts';
import {
  BOUNDARY,
  encodeForm,
  expectEnvelope,
  type FormRequest,
  fakeRecording,
  filePart,
  postForm,
  RawConnection,
  textPart,
} from '../support/multipart.ts';
import { loadOpenAiSdk } from '../support/openai-sdk.ts';
import { startTestServer, TEST_KEY, type TestServer } from '../support/test-server.ts';

const sdk = await loadOpenAiSdk();

const running: { close(): Promise<void> }[] = [];

/** In the order in which they were started the other way round. */
afterEach(async () => {
  for (const one of running.splice(0).reverse()) await one.close();
});

function keep<Closable extends { close(): Promise<void> }>(one: Closable): Closable {
  running.push(one);
  return one;
}

async function gatewayTo(
  baseUrl: string,
  options: Partial<GatewayOptions> & { readonly upstream?: GatewayOptions['upstreams'][string] } = {},
): Promise<TestServer> {
  const { upstream, ...rest } = options;
  return keep(
    await startGateway({
      upstreams: { hosted: { baseUrl, ...upstream } },
      routes: { remote: ['hosted/whisper-1'] },
      ...rest,
    }),
  );
}

async function fakeUpstream(): Promise<FakeUpstream> {
  return keep(await startFakeUpstream());
}

function wav(seconds = 2): FormRequest {
  return { fields: { model: 'remote' }, file: filePart(wavRecording(seconds)) };
}

describe('another Stenographer behind a model name', () => {
  async function pair(): Promise<{ readonly far: TestServer; readonly near: TestServer }> {
    const far = keep(await startTestServer({ config: { apiKeys: [TEST_KEY] } }));
    const near = await gatewayTo(`${far.url}/v1`, {
      upstream: { apiKeyEnv: 'FAR_KEY' },
      environment: { FAR_KEY: TEST_KEY },
    });
    return { far, near };
  }

  it.each(['json', 'text', 'srt', 'vtt', 'verbose_json'])(
    'gives %s byte by byte as asked directly',
    async (format) => {
      const { far, near } = await pair();
      const direct = await postForm(far.url, {
        fields: { model: 'whisper-1', response_format: format, temperature: '0.2' },
        headers: { authorization: `Bearer ${TEST_KEY}` },
      });
      const through = await postForm(near.url, {
        fields: { model: 'remote', response_format: format, temperature: '0.2' },
      });
      expect(direct.status).toBe(200);
      expect(through).toMatchObject({ status: 200, text: direct.text });
      expect(through.headers.get('content-type')).toBe(direct.headers.get('content-type'));
      expect(through.headers.get('x-steno-served-by')).toBe('hosted/whisper-1');
      expect(through.headers.get('x-steno-upstream-request-id')).toMatch(/^req_/);
      expect(through.headers.get('x-steno-upstream-request-id')).not.toBe(
        through.headers.get('x-request-id'),
      );
      expect(far.fake.calls[1]?.options).toMatchObject({ temperature: 0.2 });
    },
  );

  it('streams byte by byte, with words, log probabilities and warnings', async () => {
    const { far, near } = await pair();
    const authorization = { authorization: `Bearer ${TEST_KEY}` };
    for (const fields of [
      { stream: 'true' },
      { response_format: 'verbose_json', 'timestamp_granularities[]': ['word', 'segment'] },
      { 'include[]': 'logprobs', nonsense: '1' },
    ]) {
      const direct = await postForm(far.url, {
        fields: { model: 'whisper-1', ...fields },
        headers: authorization,
      });
      const through = await postForm(near.url, { fields: { model: 'remote', ...fields } });
      expect(through).toMatchObject({ status: 200, text: direct.text });
      for (const name of ['content-type', 'x-steno-warning'])
        expect(through.headers.get(name)).toBe(direct.headers.get(name));
    }
  });

  it('passes segments on as they come, not at the end', async () => {
    const { far, near } = await pair();
    const release = far.fake.hold();
    const response = await fetch(`${near.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([textPart('model', 'remote'), textPart('stream', 'true'), filePart(fakeRecording())]),
    });
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    const first = await reader.read();
    expect(Buffer.from(first.value ?? []).toString()).toContain('transcript.text.delta');
    release();
    let rest = '';
    for (let next = await reader.read(); !next.done; next = await reader.read())
      rest += Buffer.from(next.value).toString();
    expect(rest).toMatch(/data: \[DONE\]\r\n\r\n$/);
  });

  it('works with the official client: objects, texts, streams, errors, translations', async () => {
    const { far, near } = await pair();
    const client: OpenAI = new sdk.OpenAI({ apiKey: 'none', baseURL: `${near.url}/v1`, maxRetries: 0 });
    const file = await sdk.toFile(fakeRecording(), 'clip.wav');
    const model = 'remote';
    const { text } = await client.audio.transcriptions.create({ file, model });
    expect(text).toMatch(/^This is recording \w{8}\./);
    expect(await client.audio.transcriptions.create({ file, model, response_format: 'text' })).toBe(
      `${text}\n`,
    );
    const verbose = await client.audio.transcriptions.create({
      file,
      model,
      response_format: 'verbose_json',
    });
    expect(verbose).toMatchObject({ text, language: 'english', duration: 2 });
    if (sdk.streams) {
      let streamed = '';
      for await (const event of await client.audio.transcriptions.create({ file, model, stream: true }))
        if (event.type === 'transcript.text.delta') streamed += event.delta;
      expect(streamed).toBe(text);
    }
    expect(await client.audio.translations.create({ file, model })).toEqual({ text });
    far.fake.can = { ...far.fake.can, translate: false };
    await expect(client.audio.translations.create({ file, model })).rejects.toMatchObject({
      status: 400,
      code: 'unsupported_value',
    });
    far.fake.failure = { error: new InvalidAudioError('it is noise'), when: 'at-once' };
    await expect(client.audio.transcriptions.create({ file, model })).rejects.toMatchObject({
      status: 400,
      code: 'invalid_audio',
      param: 'file',
    });
    // A failure inside the stream has a status no more.
    far.fake.failure = { error: new QueueTimeoutError(1), when: 'after-segment' };
    const broken = await postForm(near.url, { fields: { model, stream: 'true' } });
    expect(broken.text).toContain('"code":"queue_timeout"');
  });
});

describe('the request that an upstream gets', () => {
  it('has the recording and all fields as they came, but for the model', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      config: { apiKeys: [TEST_KEY] },
      upstream: { apiKeyEnv: 'HOSTED' },
      environment: { HOSTED: 'sk-hosted' },
    });
    const recording = wavRecording(1, 7);
    const sent = await postForm(server.url, {
      headers: { authorization: `Bearer ${TEST_KEY}`, 'x-request-id': 'mine', cookie: 'a=b' },
      parts: [
        textPart('chunking_strategy[type]', 'server_vad'),
        {
          headers: [
            'Content-Disposition: form-data; name=file; filename="naïve \\"take\\".wav"; filename*=utf-8\'\'na%C3%AFve.wav',
            'Content-Type: audio/wav; codecs=1',
          ],
          body: recording,
        },
        textPart('model', 'remote'),
        textPart('include[]', 'logprobs'),
        textPart('include[]', 'other'),
        textPart('response_format', 'diarized_json'),
        textPart('prompt', 'Zeile eins\r\nZeile zwei – ü'),
        textPart('x_new_field', ''),
      ],
    });
    expect(sent.status).toBe(200);
    const [request] = upstream.requests;
    expect(request?.path).toBe('/v1/audio/transcriptions');
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer sk-hosted',
      'x-request-id': sent.headers.get('x-request-id'),
      'accept-encoding': 'identity',
      via: '1.1 stenographer',
    });
    expect(request?.headers).not.toHaveProperty('cookie');
    expect(request?.headers).not.toHaveProperty('transfer-encoding');
    expect(request?.parts.map(({ name, body }) => [name, name === 'file' ? '' : body.toString()])).toEqual([
      ['model', 'whisper-1'],
      ['chunking_strategy[type]', 'server_vad'],
      ['include[]', 'logprobs'],
      ['include[]', 'other'],
      ['response_format', 'diarized_json'],
      ['prompt', 'Zeile eins\r\nZeile zwei – ü'],
      ['x_new_field', ''],
      ['file', ''],
    ]);
    const file = request?.parts.at(-1);
    expect(file?.body.equals(recording)).toBe(true);
    expect(file?.headers.split('\r\n').filter((line) => line !== '')).toEqual([
      'Content-Disposition: form-data; name=file; filename="naïve \\"take\\".wav"; filename*=utf-8\'\'na%C3%AFve.wav',
      'Content-Type: audio/wav; codecs=1',
    ]);
  });

  it('names a recording that came without a name by its content', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    const response = await fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'remote',
        temperature: 0.5,
        input_audio: { data: wavRecording(1).toString('base64') },
      }),
    });
    expect(response.status).toBe(200);
    expect(upstream.requests[0]?.parts.map(({ name }) => name)).toEqual(['model', 'temperature', 'file']);
    expect(upstream.requests[0]?.parts[2]?.headers).toContain('filename="audio.wav"');
    expect(upstream.requests[0]?.headers).not.toHaveProperty('authorization');
  });

  it('may hold clips of known speakers', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    const clip = `data:audio/wav;base64,${'A'.repeat(400_000)}`;
    const names = { 'known_speaker_names[]': ['Ann', 'Bob'], 'known_speaker_references[]': [clip, clip] };
    const sent = await postForm(server.url, { ...wav(), fields: { model: 'remote', ...names } });
    expect(sent.status).toBe(200);
    const clips = upstream.requests[0]?.parts.filter(({ name }) => name === 'known_speaker_references[]');
    expect(clips?.map(({ body }) => body.toString() === clip)).toEqual([true, true]);
    const tooLong = { model: 'remote', prompt: 'x'.repeat(100_000) };
    expectEnvelope(await postForm(server.url, { ...wav(), fields: tooLong }), {
      status: 400,
      code: 'invalid_multipart',
    });
  });

  it('goes to translations for translations, and by Azure’s path', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    await postForm(server.url, { ...wav(), path: '/v1/audio/translations' });
    await postForm(server.url, {
      file: filePart(wavRecording(1)),
      path: '/openai/deployments/remote/audio/transcriptions?api-version=2024-06-01',
    });
    expect(upstream.requests.map(({ path }) => path)).toEqual([
      '/v1/audio/translations',
      '/v1/audio/transcriptions',
    ]);
  });

  it('is refused here without a file, with an empty one, or with a file where text is expected', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    expectEnvelope(await postForm(server.url, { ...wav(), file: null }), { status: 400, param: 'file' });
    expectEnvelope(await postForm(server.url, { ...wav(), file: filePart(Buffer.alloc(0)) }), {
      status: 400,
      param: 'file',
    });
    const hidden = {
      headers: ['Content-Disposition: form-data; name="prompt"; filename="p.txt"'],
      body: 'x',
    };
    expectEnvelope(
      await postForm(server.url, { parts: [textPart('model', 'remote'), filePart(wavRecording(1)), hidden] }),
      { status: 400, param: 'prompt' },
    );
    expectEnvelope(await postForm(server.url, { fields: { model: 'nope' } }), {
      status: 404,
      code: 'model_not_found',
    });
    expect(upstream.requests).toHaveLength(0);
  });

  it('does not go round in circles', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    const via = '1.1 stenographer, 1.0 proxy, 1.1 stenographer, 1.1 stenographer';
    expectEnvelope(await postForm(server.url, { ...wav(), headers: { via } }), {
      status: 502,
      code: 'upstream_misconfigured',
    });
    expect(upstream.requests).toHaveLength(0);
    const baseUrl = await closedBaseUrl();
    const circle = await gatewayTo(baseUrl, {
      routes: { remote: ['hosted/remote'] },
      config: { port: Number(new URL(baseUrl).port) },
    });
    expectEnvelope(await postForm(circle.url, wav()), { status: 502 });
    // Once at each hop: what is no use is not tried again.
    expect(await circle.services.metrics.render()).toContain(
      'steno_upstream_requests_total{upstream="hosted",outcome="failed"} 3',
    );
  });
});

describe('fallbacks', () => {
  it('local to hosted when the local queue is full', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      routes: { both: ['moonshine-tiny', 'hosted/whisper-1'] },
      config: { maxQueue: 1 },
    });
    const release = server.fake.hold();
    const waiting = postForm(server.url, { fields: { model: 'both' } });
    await server.fake.begun(1);
    const second = await postForm(server.url, { ...wav(), fields: { model: 'both' } });
    expect(second).toMatchObject({ status: 200, text: '{"text":"hello from upstream"}' });
    expect(second.headers.get('x-steno-served-by')).toBe('hosted/whisper-1');
    expect(second.headers.get('x-steno-fallbacks')).toBe('moonshine-tiny=queue_full');
    // Names without a route are refused as ever.
    expectEnvelope(await postForm(server.url, { fields: { model: 'moonshine-tiny' } }), {
      status: 503,
      code: 'queue_full',
    });
    release();
    expect((await waiting).headers.get('x-steno-served-by')).toBe('moonshine-tiny');
    expect(server.services.admission.size).toBe(0);
    expect(await server.services.metrics.render()).toContain(
      'steno_fallbacks_total{target="moonshine-tiny",code="queue_full"} 1',
    );
  });

  it('hosted to local when it fails, without waiting long, and back when it recovers', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      upstream: { retries: 1, breakerMinimumCalls: 2, breakerOpenSeconds: 3 },
      routes: { both: ['hosted/whisper-1', 'moonshine-tiny'] },
    });
    upstream.always(answer(503, { 'retry-after': '30' }, '{}'));
    const ask = () => postForm(server.url, { ...wav(), fields: { model: 'both' } });
    const startMs = performance.now();
    for (const asked of [1, 2, 2]) {
      const local = await ask();
      expect(local.status).toBe(200);
      expect(local.headers.get('x-steno-served-by')).toBe('moonshine-tiny');
      expect(local.headers.get('x-steno-fallbacks')).toBe('hosted/whisper-1=upstream_unavailable');
      // The third is not even sent: the circuit breaker is open.
      expect(upstream.requests).toHaveLength(asked);
    }
    // Not the 30 s that the upstream asks for.
    expect(performance.now() - startMs).toBeLessThan(15_000);
    upstream.always(json({ text: 'back' }));
    await expect
      .poll(async () => (await ask()).headers.get('x-steno-served-by'), { interval: 100 })
      .toBe('hosted/whisper-1');
  });

  it('passes over a local model that cannot do what is asked', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      routes: { both: ['moonshine-tiny', 'hosted/whisper-1'] },
    });
    const hosted = await postForm(server.url, {
      ...wav(),
      fields: { model: 'both', response_format: 'diarized_json' },
    });
    expect(hosted.headers.get('x-steno-served-by')).toBe('hosted/whisper-1');
    expect(server.fake.calls).toHaveLength(0);
    upstream.always(answer(500, {}, ''));
    const failed = await postForm(server.url, {
      ...wav(),
      fields: { model: 'both', response_format: 'diarized_json' },
    });
    const message = expectEnvelope(failed, { status: 502, code: 'upstream_error' });
    expect(message).toMatch(/moonshine-tiny: .*diarized_json|moonshine-tiny: .*response_format/);
    const local = keep(
      await startGateway({ upstreams: {}, routes: { own: ['moonshine-tiny', 'acme/tiny-speech'] } }),
    );
    expectEnvelope(
      await postForm(local.url, { fields: { model: 'own', response_format: 'diarized_json' } }),
      {
        status: 400,
        param: 'response_format',
      },
    );
  });

  it('does not try elsewhere what is the client’s own fault', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      routes: { both: ['moonshine-tiny', 'hosted/whisper-1'] },
    });
    server.fake.failure = { error: new InvalidAudioError('it is noise'), when: 'at-once' };
    expectEnvelope(await postForm(server.url, { fields: { model: 'both' } }), {
      status: 400,
      code: 'invalid_audio',
    });
    expect(upstream.requests).toHaveLength(0);
  });

  it('a file too large for one upstream goes to the next', async () => {
    const [small, large] = [await fakeUpstream(), await fakeUpstream()];
    small.always(answer(413, {}, '{}'));
    const server = keep(
      await startGateway({
        upstreams: { small: { baseUrl: small.baseUrl }, large: { baseUrl: large.baseUrl } },
        routes: { both: ['small/a', 'large/b'] },
      }),
    );
    const { status, headers } = await postForm(server.url, { ...wav(), fields: { model: 'both' } });
    expect(status).toBe(200);
    expect(headers.get('x-steno-fallbacks')).toBe('small/a=file_too_large');
    expect(large.requests[0]?.parts[0]?.body.toString()).toBe('b');
  });
});

describe('limits of an upstream', () => {
  it('as many at once as it may have, and no more a minute', async () => {
    const upstream = await fakeUpstream();
    upstream.next(hangBeforeHeaders);
    const server = await gatewayTo(upstream.baseUrl, {
      upstream: { maxConcurrent: 1, requestsPerMinute: 2 },
    });
    const controller = new AbortController();
    const first = fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      signal: controller.signal,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([textPart('model', 'remote'), filePart(wavRecording(1))]),
    }).catch(() => undefined);
    await expect.poll(() => upstream.requests.length).toBe(1);
    const crowded = await postForm(server.url, wav());
    expectEnvelope(crowded, { status: 429, code: 'upstream_limit' });
    expect(Number(crowded.headers.get('retry-after'))).toBeGreaterThan(0);
    controller.abort();
    await first;
    await expect.poll(() => server.services.gateway.upstreams[0]?.running).toBe(0);
    expect((await postForm(server.url, wav())).status).toBe(200);
    expectEnvelope(await postForm(server.url, wav()), { status: 429, code: 'upstream_limit' });
    expect(upstream.requests).toHaveLength(2);
  });

  it('seconds of audio a day, counted before they are sent and remembered over a restart', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, { upstream: { audioSecondsPerDay: 5 }, store: 'file' });
    expect((await postForm(server.url, wav(3))).status).toBe(200);
    const refused = await postForm(server.url, wav(3));
    expect(expectEnvelope(refused, { status: 429, code: 'upstream_limit' })).toContain('as much audio today');
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect((await postForm(server.url, wav(2))).status).toBe(200);
    expect(upstream.requests).toHaveLength(2);
    const again = await gatewayTo(upstream.baseUrl, {
      upstream: { audioSecondsPerDay: 6 },
      config: { dataDir: server.config.dataDir },
      store: 'file',
    });
    expectEnvelope(await postForm(again.url, wav(2)), { status: 429, code: 'upstream_limit' });
    expect((await postForm(again.url, wav(1))).status).toBe(200);
  });
});

describe('usage and quotas', () => {
  async function gatewayWithQuota(upstream: FakeUpstream, audioSecondsPerDay: number) {
    const server = await gatewayTo(upstream.baseUrl, { config: { apiKeys: [TEST_KEY] }, store: 'file' });
    const data = await openDataStore(server.config.dataDir);
    const { key } = createStoredKey({ name: '', scope: 'user', limits: { audioSecondsPerDay } }, data);
    data.store.close();
    return { server, headers: { authorization: `Bearer ${key}` } };
  }

  function rows({ services }: TestServer) {
    return services.accounts.store
      .listUsage({ fromDay: '2000-01-01', toDay: '2999-01-01' }, 10)
      .map(({ model, format, audioMs, status }) => ({ model, format, audioMs, status }));
  }

  it('a key’s quota is taken before the upstream is asked, to the millisecond', async () => {
    const upstream = await fakeUpstream();
    const { server, headers } = await gatewayWithQuota(upstream, 4);
    expect((await postForm(server.url, { ...wav(2.5), headers })).status).toBe(200);
    expectEnvelope(await postForm(server.url, { ...wav(2), headers }), {
      status: 429,
      code: 'insufficient_quota',
    });
    expect((await postForm(server.url, { ...wav(1.5), headers })).status).toBe(200);
    expectEnvelope(await postForm(server.url, { ...wav(0.1), headers }), {
      status: 429,
      code: 'insufficient_quota',
    });
    expect(upstream.requests).toHaveLength(2);
    expect(rows(server)).toEqual([
      { model: 'hosted/whisper-1', format: 'json', audioMs: 1500, status: 'completed' },
      { model: 'hosted/whisper-1', format: 'json', audioMs: 2500, status: 'completed' },
    ]);
  });

  it('a failed request costs nothing', async () => {
    const upstream = await fakeUpstream();
    upstream.always(answer(400, {}, '{}'));
    const { server, headers } = await gatewayWithQuota(upstream, 4);
    for (let index = 0; index < 3; index += 1)
      expect((await postForm(server.url, { ...wav(3), headers })).status).toBe(400);
    expect(rows(server)).toEqual([]);
    upstream.always(json({ text: '' }));
    expect((await postForm(server.url, { ...wav(4), headers })).status).toBe(200);
  });

  it('counts what the answer tells, and measures where it tells nothing', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    const ask = (fields: Record<string, string>, behaviour: Parameters<FakeUpstream['always']>[0]) => {
      upstream.always(behaviour);
      return postForm(server.url, {
        file: filePart(wavRecording(2.25)),
        fields: { model: 'remote', ...fields },
      });
    };
    await ask({}, json({ text: '', usage: { type: 'duration', seconds: 3 } }));
    await ask({ response_format: 'verbose_json' }, json({ text: '', duration: 2.26 }));
    await ask({}, json({ text: '', usage: { type: 'tokens', total_tokens: 9 } }));
    await ask({ response_format: 'srt' }, answer(200, { 'content-type': 'text/plain' }, '\n'));
    const done = { type: 'transcript.text.done', text: '', usage: { type: 'duration', seconds: 4 } };
    const streamed = events([`data: ${JSON.stringify(done)}\r\n`, '\r\ndata: [DO', 'NE]\r\n\r\n']);
    const stream = await ask({ stream: 'true' }, streamed);
    expect(stream.text).toBe(`data: ${JSON.stringify(done)}\r\n\r\ndata: [DONE]\r\n\r\n`);
    await expect.poll(() => rows(server).length).toBe(5);
    const milliseconds = rows(server).map(({ audioMs }) => audioMs);
    expect(milliseconds.sort()).toEqual([2250, 2250, 2260, 3000, 4000]);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
  });
});

describe('streams', () => {
  const delta = (text: string) =>
    `data: ${JSON.stringify({ type: 'transcript.text.delta', delta: text })}\n\n`;

  it('that break off end with an error event, and half an event is not shown', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    upstream.always(
      events(
        [delta('one'), delta('two').slice(0, 20)],
        (response) => void response.socket?.resetAndDestroy(),
      ),
    );
    const { status, text } = await postForm(server.url, {
      ...wav(),
      fields: { model: 'remote', stream: 'true' },
    });
    expect(status).toBe(200);
    expect(text.startsWith(delta('one'))).toBe(true);
    const error = JSON.parse(text.slice(delta('one').length).replace(/^data: /, ''));
    expect(error).toMatchObject({ error: { code: 'upstream_error', type: 'server_error' } });
    expect(upstream.requests).toHaveLength(1);
    const client: OpenAI = new sdk.OpenAI({ apiKey: 'none', baseURL: `${server.url}/v1`, maxRetries: 0 });
    if (!sdk.streams) return;
    const file = await sdk.toFile(wavRecording(1), 'clip.wav');
    const stream = await client.audio.transcriptions.create({ file, model: 'remote', stream: true });
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toMatchObject({ code: 'upstream_error' });
  });

  it('that break before their first byte are asked for again', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    upstream.always(events([delta('fine'), 'data: [DONE]\n\n']));
    upstream.next(
      events([], (response) => void response.socket?.resetAndDestroy()),
      events([]),
    );
    const { text } = await postForm(server.url, { ...wav(), fields: { model: 'remote', stream: 'true' } });
    expect(text).toBe(`${delta('fine')}data: [DONE]\n\n`);
    expect(upstream.requests).toHaveLength(3);
  });

  it('that stay silent are ended after the idle time', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, { upstream: { idleSeconds: 0.5 } });
    upstream.always(events([delta('one')], () => {}));
    const { text } = await postForm(server.url, { ...wav(), fields: { model: 'remote', stream: 'true' } });
    expect(text).toContain('"code":"upstream_timeout"');
  });
});

describe('a client that leaves', () => {
  it.each([
    ['before the answer', hangBeforeHeaders, {}],
    [
      'inside a stream',
      events(['data: {"type":"transcript.text.delta","delta":"a"}\n\n'], () => {}),
      { stream: 'true' },
    ],
  ])('%s: the request to the upstream ends within 2 s and all is free', async (_name, behaviour, fields) => {
    const upstream = await fakeUpstream();
    // One failure would open the circuit breaker: a departure is none.
    const server = await gatewayTo(upstream.baseUrl, { upstream: { breakerMinimumCalls: 1 } });
    upstream.always(behaviour);
    const body = encodeForm([
      textPart('model', 'remote'),
      ...Object.entries(fields).map(([name, value]) => textPart(name, String(value))),
      filePart(wavRecording(1)),
    ]);
    const connection = new RawConnection(server.port)
      .post([`Content-Type: multipart/form-data; boundary=${BOUNDARY}`, `Content-Length: ${body.length}`])
      .write(body);
    await expect.poll(() => upstream.requests.length).toBe(1);
    if ('stream' in fields) await connection.until((received) => received.includes('delta'));
    const startMs = performance.now();
    connection.close();
    await expect.poll(() => upstream.abandoned, { interval: 10 }).toBe(1);
    expect(performance.now() - startMs).toBeLessThan(2000);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
    expect(server.services.gateway.upstreams[0]).toMatchObject({ running: 0, breaker: 'closed' });
    expect(server.services.admission.arriving).toBe(0);
    expect(upstream.requests).toHaveLength(1);
  });

  it('while the next attempt is waited for', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl);
    upstream.always(answer(500, { 'retry-after': '30' }, ''));
    const controller = new AbortController();
    const asked = fetch(`${server.url}/v1/audio/transcriptions`, {
      method: 'POST',
      signal: controller.signal,
      headers: { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` },
      body: encodeForm([textPart('model', 'remote'), filePart(wavRecording(1))]),
    }).catch(() => undefined);
    await expect.poll(() => upstream.requests.length).toBe(1);
    await sleep(50);
    controller.abort();
    await asked;
    await expect.poll(() => server.services.gateway.upstreams[0]?.running).toBe(0);
    await expect.poll(() => server.scratchFiles()).toEqual([]);
  });
});

describe('names', () => {
  it('routed ones are listed and can be the default', async () => {
    const upstream = await fakeUpstream();
    const server = await gatewayTo(upstream.baseUrl, {
      routes: { remote: ['hosted/whisper-1'], 'whisper-1': ['moonshine-tiny', 'hosted/whisper-1'] },
      config: { defaultModel: 'remote', aliases: { dictation: 'remote' } },
    });
    const list = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] };
    const ids = list.data.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining(['remote', 'whisper-1', 'dictation', 'moonshine-tiny']));
    expect(new Set(ids).size).toBe(ids.length);
    const one = await fetch(`${server.url}/v1/models/remote`);
    expect(await one.json()).toMatchObject({ id: 'remote', object: 'model' });
    for (const fields of [{}, { model: 'dictation' }])
      expect((await postForm(server.url, { file: filePart(wavRecording(1)), fields })).text).toContain(
        'hello',
      );
    const local = await postForm(server.url, { fields: { model: 'whisper-1' } });
    expect(local.headers.get('x-steno-served-by')).toBe('moonshine-tiny');
  });

  it('a route to nowhere, and a key that is not there, stop the start', async () => {
    const start = (options: Partial<GatewayOptions>) =>
      startGateway({
        upstreams: { hosted: { baseUrl: 'https://hosted.example/v1' } },
        routes: {},
        ...options,
      });
    await expect(start({ routes: { a: ['hostde/whisper-1'] } })).rejects.toThrow(
      /target hostde\/whisper-1 of a .*there are: hosted/,
    );
    await expect(start({ routes: { a: ['no-model'] } })).rejects.toThrow(/no-model/);
    await expect(
      start({ upstreams: { hosted: { baseUrl: 'https://hosted.example/v1', apiKeyEnv: 'NO_SUCH_KEY' } } }),
    ).rejects.toThrow(/upstreams\.hosted\.apiKeyEnv .*NO_SUCH_KEY/);
  });
});
