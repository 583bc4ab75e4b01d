const SEPARATOR = ', ';

/** The first keywords that stand together in a list of so many characters. */
export function keywordsThatFit(keywords: readonly string[], characters: number): readonly string[] {
  let used = -SEPARATOR.length;
  const tooMany = keywords.findIndex((keyword) => {
    used += SEPARATOR.length + keyword.length;
    return used > characters;
  });
  return tooMany < 0 ? keywords : keywords.slice(0, tooMany);
}

/** Keywords as text. */
export function keywordList(keywords: readonly string[]): string {
  return keywords.join(SEPARATOR);
}
