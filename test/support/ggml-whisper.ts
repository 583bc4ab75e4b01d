import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GGML_MAGIC, GgmlWriter, type TensorSpec } from './ggml-writer.ts';

export interface GgmlWhisperOptions {
  /** Whether it has language and task tokens. Default true. */
  readonly multilingual?: boolean;
  /** Layers of the encoder; they compute but change nothing, so each makes it slower only. Default 1. */
  readonly encoderLayers?: number;
  /** Positions of the decoder: half of them are the longest answer, which the prompt word `loop` makes it give. Default 128. */
  readonly textContext?: number;
}

/** Tones in Hz that the model takes for speech in a language. */
export const WHISPER_TONES = { en: 300, zh: 5500, de: 1200, fr: 3000 } as const;

export type ToneLanguage = keyof typeof WHISPER_TONES;

/** What the model says, as segments with their times in seconds. */
export const WHISPER_SAYS = {
  en: [
    { text: 'Hello world.', startSecond: 0, endSecond: 1 },
    { text: 'How are you?', startSecond: 1.02, endSecond: 2 },
  ],
  de: [{ text: 'Guten Tag.', startSecond: 0, endSecond: 1.5 }],
  fr: [{ text: 'Un café noir.', startSecond: 0, endSecond: 1.5 }],
  zh: [{ text: '你好世界。', startSecond: 0, endSecond: 1.5 }],
  /** With task `translate`, by language. */
  translated: {
    en: [{ text: 'In English.', startSecond: 0.02, endSecond: 1.5 }],
    de: [{ text: 'From German.', startSecond: 0.02, endSecond: 1.5 }],
    fr: [{ text: 'From French.', startSecond: 0.02, endSecond: 1.5 }],
    zh: [{ text: 'From Chinese.', startSecond: 0.02, endSecond: 1.5 }],
  },
  /** Where the prompt holds the word `zebra`. */
  prompted: [{ text: 'Zebra crossing.', startSecond: 0.04, endSecond: 1.5 }],
} as const;

const N_STATE = 64;
const N_HEAD = 2;
const N_HEAD_STATE = N_STATE / N_HEAD;
/** Of each window of 30 s it hears the first 10, and is five times as fast for it; real models have 1500. */
const N_AUDIO_CTX = 500;
const N_MELS = 80;
/** Bins of a 400-point transform: 40 Hz each. */
const N_FFT_BINS = 201;
const BIN_HZ = 40;
const N_HIDDEN = 4 * N_STATE;

const LANGUAGES = ['en', 'zh', 'de', 'fr'] as const satisfies readonly ToneLanguage[];
/** Places in whisper.cpp's list of languages. */
const LANGUAGE_NUMBERS = { en: 0, zh: 1, de: 2, fr: 6 } as const;

/** State dimensions above the symbols': what attention brings, and one that is always on. */
const HEARD = 53;
const TOLD = HEARD + LANGUAGES.length;
const PROMPTED = { zebra: TOLD + LANGUAGES.length, loop: TOLD + LANGUAGES.length + 1 } as const;
const ALWAYS = N_STATE - 1;

/** Pieces of text besides the 256 bytes; a byte is written as `<C3>`. */
const PIECES = [
  ...[
    ' Hello',
    ' world.',
    ' How',
    ' are',
    ' you',
    '?',
    ' Guten',
    ' Tag.',
    ' Un',
    ' caf',
    '<C3>',
    '<A9>',
    ' noir.',
  ],
  ...[
    '你',
    '<E5><A5>',
    '<BD>',
    '世界',
    '。',
    ' In',
    ' English.',
    ' From',
    ' German.',
    ' French.',
    ' Chinese.',
  ],
  ...[' Zebra', ' crossing.', ' [BLANK_AUDIO]', ' again', ' zebra', ' loop', 'zebra', 'loop'],
];

/** One step of the automaton: after `from`, and only with `given` in the state, comes `to`. The strongest that holds wins. */
interface Step {
  readonly from: string;
  readonly given?: number;
  readonly to: string;
  readonly strength: number;
}

/**
 * Writes a Whisper model in whisper.cpp's file format that is whole (encoder, decoder, vocabulary) and tiny, and whose weights are
 * set by hand so that its answers are known (`WHISPER_SAYS`). It hears four tones, one for each of its languages, and tells them
 * from silence, in which it says `[BLANK_AUDIO]`. What it says depends on what it hears, on the language and task it is told, and on
 * the prompt: `zebra` changes the text, `loop` makes it say `again` until its budget is spent.
 *
 * How: each known token is one dimension of the state. Cross-attention brings the loudest tone, self-attention the language token
 * and the prompt's words, each in a dimension of its own; every hidden unit of the one feed-forward layer is one `Step`.
 */
export async function writeGgmlWhisper(path: string, options: GgmlWhisperOptions = {}): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, ggmlWhisper(options));
}

export function ggmlWhisper({
  multilingual = true,
  encoderLayers = 1,
  textContext = 128,
}: GgmlWhisperOptions = {}): Buffer {
  const nVocab = multilingual ? 51_865 : 51_864;
  const symbols = symbolsOf(multilingual);
  const writer = new GgmlWriter()
    .int32(
      GGML_MAGIC,
      nVocab,
      N_AUDIO_CTX,
      N_STATE,
      N_HEAD,
      encoderLayers,
      textContext,
      N_STATE,
      N_HEAD,
      1,
      N_MELS,
      1,
    )
    .int32(N_MELS, N_FFT_BINS)
    .float32(melFilters());
  const vocabulary = [...Array.from({ length: 256 }, (_, byte) => Buffer.of(byte)), ...PIECES.map(bytesOf)];
  writer.int32(vocabulary.length);
  for (const piece of vocabulary) writer.bytes(piece);
  for (const tensor of encoder(encoderLayers)) writer.tensor(tensor);
  for (const tensor of decoder(nVocab, textContext, symbols, multilingual)) writer.tensor(tensor);
  return writer.finish();
}

/** Token ids of what the automaton knows, and each one's dimension. */
interface Symbols {
  readonly ids: ReadonlyMap<string, number>;
  dimension(symbol: string): number;
}

function symbolsOf(multilingual: boolean): Symbols {
  const sot = multilingual ? 50_258 : 50_257;
  const ids = new Map<string, number>([
    ['<sot>', sot],
    ['<eot>', sot - 1],
    ...(multilingual
      ? [
          ...LANGUAGES.map((code) => [`<${code}>`, sot + 1 + LANGUAGE_NUMBERS[code]] as const),
          ['<translate>', 50_358] as const,
          ['<transcribe>', 50_359] as const,
        ]
      : []),
    ...[0, 0.02, 0.04, 0.06, 1, 1.02, 1.5, 2].map(
      (second) => [`<${second}>`, sot + 106 + Math.round(second / 0.02)] as const,
    ),
    ...PIECES.map((piece, index) => [piece, 256 + index] as const),
  ]);
  // A word at the start of a prompt has no space before it, and means the same.
  const places = [...ids.keys()].filter((symbol) => symbol !== 'zebra' && symbol !== 'loop');
  if (places.length > HEARD) throw new RangeError('the state has no room for so many symbols');
  return {
    ids,
    dimension: (symbol) => {
      const place = places.indexOf(ids.has(` ${symbol}`) ? ` ${symbol}` : symbol);
      if (place < 0) throw new RangeError(`no symbol ${symbol}`);
      return place;
    },
  };
}

function stepsOf(multilingual: boolean): Step[] {
  const steps: Step[] = [];
  const chain = (...symbols: string[]): void => {
    for (const [index, to] of symbols.entries()) {
      const from = symbols[index - 1];
      if (from !== undefined) steps.push({ from, to, strength: 1 });
    }
  };
  const when = (from: string, given: number, to: string, strength = 3): void => {
    steps.push({ from, given, to, strength });
  };
  for (const [place, code] of LANGUAGES.entries()) {
    if (multilingual) {
      when('<sot>', HEARD + place, `<${code}>`);
      when('<transcribe>', HEARD + place, '<0>');
      when('<translate>', HEARD + place, '<0.02>');
    } else when('<sot>', HEARD + place, '<0>');
  }
  const start = multilingual ? '<transcribe>' : '<sot>';
  if (multilingual) chain('<sot>', '<en>');
  if (multilingual) chain('<translate>', '<0.06>');
  chain(start, '<0.06>', ' [BLANK_AUDIO]', '<1.5>', '<eot>');
  when(start, PROMPTED.zebra, '<0.04>', 9);
  when(start, PROMPTED.loop, ' again', 9);
  chain('<0.04>', ' Zebra', ' crossing.', '<1.5>');
  chain(' again', ' again');
  chain('<0>', ' Hello', ' world.', '<1>', '<1.02>', ' How', ' are', ' you', '?', '<2>', '<eot>');
  chain(' Guten', ' Tag.', '<1.5>');
  chain(' Un', ' caf', '<C3>', '<A9>', ' noir.', '<1.5>');
  chain('你', '<E5><A5>', '<BD>', '世界', '。', '<1.5>');
  when('<0>', TOLD + LANGUAGES.indexOf('de'), ' Guten');
  when('<0>', TOLD + LANGUAGES.indexOf('fr'), ' Un');
  when('<0>', TOLD + LANGUAGES.indexOf('zh'), '你');
  chain('<0.02>', ' In', ' English.', '<1.5>');
  chain(' From', ' German.', '<1.5>');
  chain(' French.', '<1.5>');
  chain(' Chinese.', '<1.5>');
  for (const code of ['de', 'fr', 'zh'] as const) when('<0.02>', TOLD + LANGUAGES.indexOf(code), ' From');
  when(' From', TOLD + LANGUAGES.indexOf('fr'), ' French.');
  when(' From', TOLD + LANGUAGES.indexOf('zh'), ' Chinese.');
  return steps;
}

/** Rows 0 to 3 take the bins around one tone each, the others nothing. */
function melFilters(): Float32Array {
  const filters = new Float32Array(N_MELS * N_FFT_BINS);
  for (const [row, code] of LANGUAGES.entries()) {
    const centre = Math.round(WHISPER_TONES[code] / BIN_HZ);
    const reach = Math.round(centre / 3);
    filters.fill(1, row * N_FFT_BINS + centre - reach, row * N_FFT_BINS + centre + reach + 1);
  }
  return filters;
}

/** The first four channels are the four tones: about 5 where a tone sounds, 0 elsewhere. */
function encoder(layers: number): TensorSpec[] {
  const taps = (channels: number, weight: number): Map<number, number> =>
    new Map(LANGUAGES.map((_, channel) => [(channel * channels + channel) * 3 + 1, weight]));
  return [
    { name: 'encoder.positional_embedding', shape: [N_STATE, N_AUDIO_CTX], type: 'f32' },
    { name: 'encoder.conv1.weight', shape: [3, N_MELS, N_STATE], type: 'f16', values: taps(N_MELS, 4) },
    { name: 'encoder.conv1.bias', shape: [1, N_STATE], type: 'f32', values: -2 },
    { name: 'encoder.conv2.weight', shape: [3, N_STATE, N_STATE], type: 'f16', values: taps(N_STATE, 1) },
    { name: 'encoder.conv2.bias', shape: [1, N_STATE], type: 'f32' },
    vector('encoder.ln_post.weight', 1),
    vector('encoder.ln_post.bias'),
    ...Array.from({ length: layers }, (_, layer) => [
      ...attention(`encoder.blocks.${layer}.attn`),
      ...feedForward(`encoder.blocks.${layer}`),
    ]).flat(),
  ];
}

function decoder(nVocab: number, textContext: number, symbols: Symbols, multilingual: boolean): TensorSpec[] {
  const embedding = new Map(
    [...symbols.ids].map(([symbol, id]) => [id * N_STATE + symbols.dimension(symbol), 1]),
  );
  const positions = new Map(
    Array.from({ length: textContext }, (_, position) => [position * N_STATE + ALWAYS, 1]),
  );
  const readOut = new Map(Array.from({ length: HEARD }, (_, dimension) => [dimension, 16]));
  const languageDimensions = multilingual ? LANGUAGES.map((code) => symbols.dimension(`<${code}>`)) : [];
  const promptDimensions = [symbols.dimension('zebra'), symbols.dimension('loop')];
  return [
    { name: 'decoder.positional_embedding', shape: [N_STATE, textContext], type: 'f32', values: positions },
    { name: 'decoder.token_embedding.weight', shape: [N_STATE, nVocab], type: 'f16', values: embedding },
    { name: 'decoder.ln.weight', shape: [N_STATE], type: 'f32', values: readOut },
    vector('decoder.ln.bias'),
    ...attention('decoder.blocks.0.attn', [
      { from: languageDimensions, to: TOLD },
      { from: promptDimensions, to: PROMPTED.zebra },
    ]),
    ...attention('decoder.blocks.0.cross_attn', [
      { from: LANGUAGES.map((_, channel) => channel), to: HEARD },
    ]),
    ...feedForward('decoder.blocks.0', stepsOf(multilingual), symbols),
  ];
}

/** One head: looks where any of the dimensions `from` is on, and copies them to those from `to` on. */
interface Head {
  readonly from: readonly number[];
  readonly to: number;
}

function attention(name: string, heads: readonly Head[] = []): TensorSpec[] {
  const query = new Map<number, number>();
  const key = new Map<number, number>();
  const value = new Map<number, number>();
  const out = new Map<number, number>();
  for (const [head, { from, to }] of heads.entries()) {
    const first = head * N_HEAD_STATE;
    query.set(first, 40);
    for (const [index, dimension] of from.entries()) {
      key.set(first * N_STATE + dimension, 1);
      // A state with one dimension on has 8 there after the norm.
      value.set((first + index) * N_STATE + dimension, 1 / 8);
      out.set((to + index) * N_STATE + first + index, 1);
    }
  }
  return [
    vector(`${name}_ln.weight`, 1),
    vector(`${name}_ln.bias`),
    matrix(`${name}.query.weight`),
    { name: `${name}.query.bias`, shape: [N_STATE], type: 'f32', values: query },
    matrix(`${name}.key.weight`, key),
    matrix(`${name}.value.weight`, value),
    vector(`${name}.value.bias`),
    matrix(`${name}.out.weight`, out),
    vector(`${name}.out.bias`),
  ];
}

/**
 * A unit fires when its symbol is on, or its symbol and its condition: with two to five dimensions on, each has 5.6 to 3.4 after the
 * norm and the others about -0.2.
 */
function feedForward(block: string, steps: readonly Step[] = [], symbols?: Symbols): TensorSpec[] {
  const inner = new Map<number, number>();
  const innerBias = new Map<number, number>();
  const outer = new Map<number, number>();
  const add = (index: number, weight: number): void =>
    void outer.set(index, (outer.get(index) ?? 0) + weight);
  for (const [unit, { from, given, to, strength }] of steps.entries()) {
    if (symbols === undefined) break;
    inner.set(unit * N_STATE + symbols.dimension(from), 4);
    if (given !== undefined) inner.set(unit * N_STATE + given, 4);
    innerBias.set(unit, given === undefined ? -8 : -22.8);
    add(symbols.dimension(from) * N_HIDDEN + unit, -1);
    add(symbols.dimension(to) * N_HIDDEN + unit, strength);
  }
  return [
    vector(`${block}.mlp_ln.weight`, 1),
    vector(`${block}.mlp_ln.bias`),
    { name: `${block}.mlp.0.weight`, shape: [N_STATE, N_HIDDEN], type: 'f16', values: inner },
    { name: `${block}.mlp.0.bias`, shape: [N_HIDDEN], type: 'f32', values: innerBias },
    { name: `${block}.mlp.2.weight`, shape: [N_HIDDEN, N_STATE], type: 'f16', values: outer },
    vector(`${block}.mlp.2.bias`),
  ];
}

function vector(name: string, values = 0): TensorSpec {
  return { name, shape: [N_STATE], type: 'f32', values };
}

function matrix(name: string, values?: ReadonlyMap<number, number>): TensorSpec {
  return { name, shape: [N_STATE, N_STATE], type: 'f16', ...(values && { values }) };
}

function bytesOf(piece: string): Buffer {
  return Buffer.concat(
    piece
      .split(/(<[0-9A-F]{2}>)/)
      .map((part) =>
        /^<..>$/.test(part) ? Buffer.from(part.slice(1, 3), 'hex') : Buffer.from(part, 'utf8'),
      ),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const path = process.argv[2];
  if (path === undefined) throw new Error('expected the path of the file to write');
  await writeGgmlWhisper(path);
  console.log(`wrote ${path}`);
}
