import { encodeText } from '../../src/engines/moonshine/tokenizer.ts';
import type { Clip } from '../accuracy/manifest.ts';

/** A word the vocabulary has to spell in so many pieces is rare. */
const RARE_TOKENS = 3;
const SHORTEST = 5;

/** Rare words of the references, in lower case, with how often each is said. */
export function rareTerms(clips: readonly Clip[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const clip of clips)
    for (const word of wordsOf(clip.reference)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return new Map([...counts].filter(([word, count]) => count <= 2 && isRare(word)));
}

export function wordsOf(text: string): string[] {
  return text.toLowerCase().match(/[a-z]+(?:'[a-z]+)?/g) ?? [];
}

function isRare(word: string): boolean {
  const capital = word.replace(/^./, (letter) => letter.toUpperCase());
  return (
    word.length >= SHORTEST &&
    !word.includes("'") &&
    encodeText(word, 'space').length >= RARE_TOKENS &&
    encodeText(capital, 'space').length >= RARE_TOKENS - 1
  );
}

/** Names, products and terms of art that none of the recordings holds; the first ten are also used alone. */
export const IRRELEVANT_TERMS: readonly string[] =
  `Kubernetes, Zyrtec, Siobhan, Postgres, Okonkwo, Terraform, Vercel,
  Nguyen, Ozempic, Grafana, Prometheus, Ansible, Rashid, Bjorn, Xavier, Priya, Tanaka, Mbappe, Kowalski, Fernandez, Svelte, Redis,
  Kafka, Nginx, Elasticsearch, Tailwind, Webpack, Figma, Jira, Slack, Datadog, Snowflake, Databricks, Airtable, Zapier, Twilio, Stripe,
  Klarna, Revolut, Monzo, Metformin, Lisinopril, Atorvastatin, Amoxicillin, Gabapentin, Sertraline, tachycardia, nephropathy,
  angioplasty, bronchoscopy, histology, Reykjavik, Ljubljana, Vilnius, Tbilisi, Ouagadougou, Antananarivo, Saskatoon, Schenectady,
  Poughkeepsie, Albuquerque, Aoife, Niamh, Saoirse, Cillian, Anya, Mikhail, Dmitri, Hiroshi, Yuki, Chen Wei, Li Na, Park Jisung,
  Abdullah, Fatima, Aaliyah, Marcus, Deborah, Jenkins, Whitaker, Hutchinson, Abernathy, Macallister, Rodriguez, Montgomery,
  escrow, amortisation, collateral, arbitrage, fiduciary, subpoena, affidavit, habeas corpus, tort, plaintiff, quantum, blockchain,
  tokenizer, hypervisor, microservice, idempotent, webhook`
    .split(',')
    .map((term) => term.trim().replace(/\s+/g, ' '))
    .slice(0, 100);
