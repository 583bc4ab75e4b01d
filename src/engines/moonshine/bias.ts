import { UNSPACED } from '../../util/words.ts';
import type { BiasPhrase } from '../engine.ts';
import { beginsCharacter, END_TOKEN, encodeText, tokenBytes } from './tokenizer.ts';

/** Phrases as paths of tokens. */
export interface BiasNode {
  readonly children: Map<number, BiasNode>;
  /** A phrase ends here. */
  complete: boolean;
  /** The last letter of a phrase that ends here belongs to a script without spaces: whatever follows begins something new. */
  unspaced: boolean;
  /** How many nats a path through here may fall behind what the model likes best, in all: the most generous phrase below. */
  allowance: number;
}

export interface BiasTrie {
  /** Phrases with the space before them. */
  readonly words: BiasNode;
  /** The same behind an opening quote, bracket or hyphen. */
  readonly inner: BiasNode;
  /** Phrases in scripts without spaces, behind anything. */
  readonly anywhere: BiasNode;
}

/** Chosen by bench/vocabulary: nats for the first token and for each further one, and the most. */
export interface BiasStrength {
  readonly first: number;
  readonly further: number;
  readonly most: number;
  /** Share of it for words found in a prompt. */
  readonly promptShare: number;
}

export const DEFAULT_STRENGTH: BiasStrength = { first: 2, further: 1.5, most: 7, promptShare: 0.7 };

/** A lower-case word of a prompt is a term only when the vocabulary has to spell it: common words have tokens of their own. */
const RARE_WORD_TOKENS = 3;
/** So many ways out of one place are tried. */
const MOST_CANDIDATES = 3;
/** Of a script without spaces: a single character may stand anywhere and mean anything. */
const FEWEST_CHARACTERS = 2;
const LONGEST_TOKENS = 32;

export function buildBiasTrie(
  phrases: readonly BiasPhrase[],
  strength: BiasStrength = DEFAULT_STRENGTH,
): BiasTrie {
  const trie = { words: createNode(), inner: createNode(), anywhere: createNode() };
  for (const phrase of phrases) {
    if (phrase.source === 'prompt' && isCommonWord(phrase.text)) continue;
    for (const text of spellings(phrase.text)) {
      const tokens = encodeText(text, 'space');
      if (tokens.length > LONGEST_TOKENS) continue;
      const share = phrase.source === 'prompt' ? strength.promptShare : 1;
      const inner = encodeText(text, 'none');
      // A character that is spelled in bytes is one step from the path, not three.
      const length = (UNSPACED.test(text) ? inner : tokens).filter(beginsCharacter).length;
      const allowance = share * Math.min(strength.most, strength.first + strength.further * (length - 1));
      const unspaced = UNSPACED.test(text.slice(-1));
      insert(trie.words, tokens, allowance, unspaced);
      insert(trie.inner, inner, allowance, unspaced);
      if (UNSPACED.test(text.slice(0, 1)) && length >= FEWEST_CHARACTERS)
        insert(trie.anywhere, inner, allowance, unspaced);
    }
  }
  return trie;
}

function isCommonWord(text: string): boolean {
  return /^\p{Ll}+$/u.test(text) && encodeText(text, 'space').length < RARE_WORD_TOKENS;
}

/** As given; a phrase in lower case also with the capital of a sentence's start. */
function spellings(text: string): string[] {
  const given = text.normalize('NFC').trim().replace(/\s+/g, ' ');
  const capital = given.replace(/^\p{Ll}/u, (letter) => letter.toUpperCase());
  return given === '' ? [] : [...new Set([given, capital])];
}

function createNode(): BiasNode {
  return { children: new Map(), complete: false, unspaced: false, allowance: 0 };
}

function insert(root: BiasNode, tokens: readonly number[], allowance: number, unspaced: boolean): void {
  let node = root;
  for (const token of tokens) {
    const child = node.children.get(token) ?? createNode();
    node.children.set(token, child);
    child.allowance = Math.max(child.allowance, allowance);
    node = child;
  }
  node.complete = tokens.length > 0;
  node.unspaced = unspaced;
}

export interface Choice {
  readonly token: number;
  /** Natural, at temperature 1, over the whole vocabulary. */
  readonly logprob: number;
}

/** The token to take, for the place behind the last token, or for an earlier `position` that is decided anew. */
export interface Decision extends Choice {
  readonly position: number;
}

/** A phrase that is being tried against what the model likes best. */
interface Branch {
  /** Where it left the model's own path. */
  readonly position: number;
  /** What the model would have taken there, and other phrases that may be tried. */
  readonly plain: Choice;
  readonly others: Candidate[];
  node: BiasNode;
  /** Nats it has fallen behind so far. */
  behind: number;
}

interface Candidate extends Choice {
  readonly node: BiasNode;
  readonly behind: number;
}

/**
 * Decodes with a preference for phrases: shallow fusion over a trie, a whole phrase at a time.
 *
 * Where a phrase can begin or go on and the model would rather say something else, the phrase is tried: its tokens are taken as
 * long as together they fall behind the model's favourites by no more than the phrase's allowance. A phrase that was heard falls
 * behind once, where its spelling is unusual, and is the favourite from there on; one that was not heard falls behind at every token.
 * Then the sequence goes back to where it left its path and the model's own choice stands. The caller applies the decisions.
 */
export class BiasSearch {
  readonly #trie: BiasTrie;
  #branch: Branch | undefined;
  /** Nats given away to phrases that were kept. */
  #given = 0;

  constructor(trie: BiasTrie) {
    this.#trie = trie;
  }

  /** How much more probable the text would be, in nats, had the kept phrases been the model's favourites. */
  get given(): number {
    return this.#given;
  }

  /**
   * What to do behind `tokens` when the model would take `plain`; `peak` is the log probability of its favourite. `freely` false
   * begins nothing new.
   */
  decide(
    tokens: readonly number[],
    plain: Choice,
    peak: number,
    logprobOf: (token: number) => number,
    freely = true,
  ): Decision {
    const branch = this.#branch;
    if (branch !== undefined) {
      const { complete, unspaced } = branch.node;
      const kept = complete && (unspaced || !continuesWord(plain.token));
      if (!kept) return this.#follow(branch, tokens, peak, logprobOf);
      this.#given += branch.behind;
      this.#branch = undefined;
    }
    const [first, ...others] = freely ? this.#candidates(tokens, plain, peak, logprobOf) : [];
    const position = tokens.length;
    return first === undefined ? { position, ...plain } : this.#enter(first, { position, plain, others });
  }

  /** The next token of the phrase, or back to the next candidate when it has fallen too far behind. */
  #follow(
    branch: Branch,
    tokens: readonly number[],
    peak: number,
    logprobOf: (token: number) => number,
  ): Decision {
    const [next] = reachable(branch.node, branch.behind, peak, logprobOf);
    if (next !== undefined) {
      branch.node = next.node;
      branch.behind = next.behind;
      return { position: tokens.length, token: next.token, logprob: next.logprob };
    }
    const [other, ...others] = branch.others;
    if (other !== undefined) return this.#enter(other, { ...branch, others });
    this.#branch = undefined;
    return { position: branch.position, ...branch.plain };
  }

  #enter(candidate: Candidate, from: Pick<Branch, 'position' | 'plain' | 'others'>): Decision {
    const { node, behind, token, logprob } = candidate;
    this.#branch = { position: from.position, plain: from.plain, others: from.others, node, behind };
    return { position: from.position, token, logprob };
  }

  #candidates(
    tokens: readonly number[],
    plain: Choice,
    peak: number,
    logprobOf: (token: number) => number,
  ): Candidate[] {
    // Nothing is put behind what the model takes for the end, and a phrase that comes by itself is left alone.
    if (plain.token === END_TOKEN) return [];
    const nodes = this.#activeNodes(tokens);
    if (nodes.some((node) => node.children.has(plain.token))) return [];
    return nodes
      .flatMap((node) => reachable(node, 0, peak, logprobOf))
      .sort((a, b) => a.behind - b.behind)
      .slice(0, MOST_CANDIDATES);
  }

  /** Where in the trie the last tokens have led, the roots included. */
  #activeNodes(tokens: readonly number[]): BiasNode[] {
    const nodes: BiasNode[] = [];
    for (let start = Math.max(0, tokens.length - LONGEST_TOKENS); start <= tokens.length; start += 1) {
      const { words, inner, anywhere } = this.#trie;
      const roots = opensInner(tokens[start - 1]) ? [words, inner, anywhere] : [words, anywhere];
      for (const root of roots) {
        let node: BiasNode | undefined = root;
        for (let at = start; at < tokens.length && node !== undefined; at += 1)
          node = node.children.get(tokens[at] ?? -1);
        if (node !== undefined) nodes.push(node);
      }
    }
    return nodes;
  }
}

/** Tokens that a phrase can go on with, the nearest to the model's favourite first. */
function reachable(
  { children }: BiasNode,
  behindBefore: number,
  peak: number,
  logprobOf: (token: number) => number,
): Candidate[] {
  const candidates: Candidate[] = [];
  for (const [token, node] of children) {
    const logprob = logprobOf(token);
    const behind = behindBefore + peak - logprob;
    if (behind <= node.allowance) candidates.push({ token, logprob, node, behind });
  }
  return candidates.sort((a, b) => a.behind - b.behind);
}

/** Whether a token goes on with the word before it: then a phrase that has just ended was only its beginning. A plural's s may follow. */
function continuesWord(token: number): boolean {
  const text = Buffer.from(tokenBytes(token)).toString('utf8');
  return text !== 's' && /^[\p{L}\p{N}]/u.test(text);
}

function opensInner(token: number | undefined): boolean {
  return token !== undefined && /["'“‘([-]$/.test(Buffer.from(tokenBytes(token)).toString('utf8'));
}
