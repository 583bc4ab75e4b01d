import { UNDETERMINED } from '../transcript.ts';

/**
 * Language codes and the lower-case English names that verbose_json carries: the table of OpenAI's Whisper
 * (openai/whisper, whisper/tokenizer.py). Clients map these names back to codes, so none is spelled another way.
 */
export const LANGUAGE_NAMES: Readonly<Record<string, string>> = {
  en: 'english',
  zh: 'chinese',
  de: 'german',
  es: 'spanish',
  ru: 'russian',
  ko: 'korean',
  fr: 'french',
  ja: 'japanese',
  pt: 'portuguese',
  tr: 'turkish',
  pl: 'polish',
  ca: 'catalan',
  nl: 'dutch',
  ar: 'arabic',
  sv: 'swedish',
  it: 'italian',
  id: 'indonesian',
  hi: 'hindi',
  fi: 'finnish',
  vi: 'vietnamese',
  he: 'hebrew',
  uk: 'ukrainian',
  el: 'greek',
  ms: 'malay',
  cs: 'czech',
  ro: 'romanian',
  da: 'danish',
  hu: 'hungarian',
  ta: 'tamil',
  no: 'norwegian',
  th: 'thai',
  ur: 'urdu',
  hr: 'croatian',
  bg: 'bulgarian',
  lt: 'lithuanian',
  la: 'latin',
  mi: 'maori',
  ml: 'malayalam',
  cy: 'welsh',
  sk: 'slovak',
  te: 'telugu',
  fa: 'persian',
  lv: 'latvian',
  bn: 'bengali',
  sr: 'serbian',
  az: 'azerbaijani',
  sl: 'slovenian',
  kn: 'kannada',
  et: 'estonian',
  mk: 'macedonian',
  br: 'breton',
  eu: 'basque',
  is: 'icelandic',
  hy: 'armenian',
  ne: 'nepali',
  mn: 'mongolian',
  bs: 'bosnian',
  kk: 'kazakh',
  sq: 'albanian',
  sw: 'swahili',
  gl: 'galician',
  mr: 'marathi',
  pa: 'punjabi',
  si: 'sinhala',
  km: 'khmer',
  sn: 'shona',
  yo: 'yoruba',
  so: 'somali',
  af: 'afrikaans',
  oc: 'occitan',
  ka: 'georgian',
  be: 'belarusian',
  tg: 'tajik',
  sd: 'sindhi',
  gu: 'gujarati',
  am: 'amharic',
  yi: 'yiddish',
  lo: 'lao',
  uz: 'uzbek',
  fo: 'faroese',
  ht: 'haitian creole',
  ps: 'pashto',
  tk: 'turkmen',
  nn: 'nynorsk',
  mt: 'maltese',
  sa: 'sanskrit',
  lb: 'luxembourgish',
  my: 'myanmar',
  bo: 'tibetan',
  tl: 'tagalog',
  mg: 'malagasy',
  as: 'assamese',
  tt: 'tatar',
  haw: 'hawaiian',
  ln: 'lingala',
  ha: 'hausa',
  ba: 'bashkir',
  jw: 'javanese',
  su: 'sundanese',
  yue: 'cantonese',
};

/** Other spellings of codes in the table: old or narrower codes that clients send. */
const CODE_ALIASES: Readonly<Record<string, string>> = {
  nb: 'no',
  iw: 'he',
  jv: 'jw',
  fil: 'tl',
  cmn: 'zh',
  in: 'id',
};

/** English name of a code; `unknown` for a language that nobody could tell; another code outside the table stands for itself. */
export function languageName(code: string): string {
  if (code === UNDETERMINED) return 'unknown';
  return LANGUAGE_NAMES[code] ?? code;
}

/** ISO 639's code for one of the table: Whisper spells Javanese its own way. */
export function isoCode(code: string): string {
  return code === 'jw' ? 'jv' : code;
}

/** The table's code for a language code or tag (`en`, `EN`, `en-US`, `zh_Hans`), or undefined: names are no codes. */
export function languageCode(tag: string): string | undefined {
  const primary = tag.trim().toLowerCase().split(/[-_]/, 1)[0] ?? '';
  const code = Object.hasOwn(CODE_ALIASES, primary) ? CODE_ALIASES[primary] : primary;
  return code !== undefined && Object.hasOwn(LANGUAGE_NAMES, code) ? code : undefined;
}

/** The code in `codes` that means the same language as a code or tag, whichever way either is spelled; undefined when none does. */
export function findLanguage(codes: readonly string[], tag: string): string | undefined {
  const wanted = languageCode(tag) ?? tag;
  return codes.find((code) => (languageCode(code) ?? code) === wanted);
}
