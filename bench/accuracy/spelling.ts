/** The American form of a lower-case word; words outside the table come back as they are. */
export function americanSpelling(word: string): string {
  const exact = WORDS.get(word);
  if (exact !== undefined) return exact;
  for (const [pattern, american] of PATTERNS) if (pattern.test(word)) return word.replace(pattern, american);
  return word;
}

/** Stems as alternatives of a regular expression. */
function stems(...lines: readonly string[]): string {
  return lines.join(' ').split(' ').join('|');
}

const OUR = stems(
  'arb ard arm behavi cand clam col demean misdemean discol endeav enam fav disfav ferv flav harb hon dishon hum lab belab',
  'multicol neighb od parl ranc rig rum sav savi splend succ tum val vap vig',
);

const ISE = stems(
  'agon apolog author bapt brutal capital categor central character civil colon commercial critic crystall demoral dramat econom',
  'emphas equal epitom familiar fantas fertil final formal general harmon hospital hypnot hypothes ideal immortal immun individual',
  'industrial item jeopard legal local magnet material maxim mechan memor minim mobil modern monet monopol moral national natural',
  'neutral normal organ disorgan reorgan ostrac oxid patron penal personal polar popular public pulver rational real recogn',
  'revolution romantic scandal scrutin sensual social special stabil standard steril styl subsid summar symbol sympath synchron',
  'tantal terror theor tranquill tyrann util vandal victim visual vital vocal vulgar western',
);

const DOUBLED_L = stems(
  'bevel cancel carol channel chisel counsel cruel dial dishevel duel enamel equal fuel funnel grovel initial jewel label level libel',
  'marvel model panel pedal pencil quarrel ravel revel rival shovel shrivel signal spiral swivel total travel tunnel unravel yodel',
);

const RE =
  'cent|theat|lit|kilomet|centimet|millimet|met|fib|sab|calib|spect|somb|meag|lust|scept|sepulch|manoeuv|och|accout';

/** Families of words that differ by an ending; the first that fits is used. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`^(un)?(${OUR})our(?=s$|ed$|ing|er|able|ably|ful|less|ite|ist|hood|y$|ly$|al|$)`), '$1$2or'],
  [new RegExp(`^(${ISE})is(?=e$|es$|ed$|er$|ers$|ing$|ation$|ations$|able$)`), '$1iz'],
  [/^(anal|paral|catal)ys(?=e$|ed$|ing$|er$|ers$)/, '$1yz'],
  [new RegExp(`^(${DOUBLED_L})l(?=ed$|ing$|ings$|er$|ers$|or$|ors$|ous$|ously$)`), '$1'],
  [new RegExp(`^(${RE})re(?=s$|d$|$)`), '$1er'],
  [/^(cata|dia|mono|pro|epi|ana|travelo)logue(?=s?$)/, '$1log'],
  [/^(def|off|pret)ence(?=s$|less$|$)/, '$1ense'],
  [/^grey/, 'gray'],
  [/^plough/, 'plow'],
  [/^mould/, 'mold'],
  [/^smoulder/, 'smolder'],
  [/^judgement/, 'judgment'],
  [/^acknowledgement/, 'acknowledgment'],
  [/^programme(?=s?$)/, 'program'],
  [/^sceptic/, 'skeptic'],
  [/^waggon/, 'wagon'],
  [/^draught(?=s$|y$|$)/, 'draft'],
];

const WORDS: ReadonlyMap<string, string> = new Map(
  [
    'aeroplane airplane|aeroplanes airplanes|ageing aging|aluminium aluminum|axe ax|cheque check|cheques checks',
    'connexion connection|cosy cozy|encyclopaedia encyclopedia|enquire inquire|enquired inquired|enquiries inquiries|enquiring inquiring',
    'enquiry inquiry|enrol enroll|fulfil fulfill|fulfils fulfills|fulfilment fulfillment|gaol jail|gaoler jailer|instalment installment',
    'instalments installments|instil instill|jewellery jewelry|kerb curb|licence license|licences licenses|manoeuvring maneuvering',
    'manoeuvred maneuvered|mediaeval medieval|moustache mustache|moustaches mustaches|ok okay|omelette omelet',
    'practise practice|practised practiced|practises practices|practising practicing|pyjamas pajamas|skilful skillful',
    'skilfully skillfully|storey story|storeys stories|tonne ton|tonnes tons|tyre tire|tyres tires|whisky whiskey',
    'wilful willful|wilfully willfully|woollen woolen|woollens woolens|worshipped worshiped|worshipping worshiping|yoghurt yogurt',
    'saviour savior|manoeuvre maneuver|manoeuvres maneuvers|anaemia anemia|anaesthetic anesthetic|foetus fetus|haemorrhage hemorrhage',
    'archaeology archeology|paediatric pediatric|oesophagus esophagus|diarrhoea diarrhea|gramme gram|grammes grams',
    'distil distill|appal appall|dulness dullness|centring centering|sulphur sulfur',
  ]
    .join('|')
    .split('|')
    .map((pair) => pair.split(' ') as [british: string, american: string]),
);
