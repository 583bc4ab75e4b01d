import { describe, expect, it } from 'vitest';
import { normalizedWords, normalizeEnglish } from './normalize.ts';

/** Each line holds ways to write one thing; all must come out alike. */
function expectAlike(...forms: readonly string[]): void {
  const [first, ...others] = forms.map(normalizeEnglish);
  for (const other of others) expect(other).toBe(first);
}

describe('normalizeEnglish', () => {
  it('drops case, punctuation, accents, brackets and fillers', () => {
    expect(normalizeEnglish('Um, “Café” [laughs] — (she said) lower-case!')).toBe('cafe she said lower case');
    expect(normalizeEnglish('')).toBe('');
    expect(normalizedWords(' ... ')).toEqual([]);
  });

  it('writes out contractions and titles', () => {
    expectAlike("I WON'T", 'I will not');
    expectAlike("they can't and cannot", 'they can not and can not');
    expectAlike("it's he'd we'll you've I'm", 'it is he would we will you have i am');
    expectAlike("he'd been, it’s gone", 'he had been it has gone');
    expectAlike('Mr. Hale, Mrs. Hale', 'MISTER HALE MISSUS HALE');
    expectAlike('Dr. Smith of St. Ives', 'doctor smith of saint ives');
  });

  it('gives cardinals one form', () => {
    expect(normalizeEnglish('six spoons')).toBe('6 spoons');
    expectAlike('forty-two', '42', 'Forty two');
    expectAlike('one hundred and five', '105', 'a hundred and five');
    expectAlike('two thousand and one', '2,001', '2001');
    expectAlike('three hundred thousand', '300,000');
    expectAlike('two hundred and five thousand and one', '205,001');
    expectAlike('two hundred five thousand', '205,000');
    expectAlike('five million', '5 million', '5,000,000');
    expectAlike('two and a half', '2.5');
    expectAlike('three point one four', '3.14');
    expectAlike('one hundred and two hundred', '100 and 200');
  });

  it('joins digits that are read one by one', () => {
    expectAlike('five five', 'Five, five.', '55', '5 5');
    expectAlike('one zero zero zero one nine oh two one oh', '10001-90210', '1 0 0 0 1 9 0 2 1 0');
    expect(normalizeEnglish('four queen of clubs')).toBe('4 queen of clubs');
    expect(normalizeEnglish('oh no')).toBe('oh no');
  });

  it('gives years, decades and ordinals one form', () => {
    expectAlike('fourteen sixty-two', '1462', 'fourteen hundred and sixty two');
    expectAlike('nineteen oh five', '1905');
    expectAlike('twenty twenty', '2020');
    expectAlike('the nineteen twenties', "the 1920's", 'the 1920s');
    expectAlike('the fifteenth century', 'the 15th century');
    expectAlike('twenty-first', '21st');
    expectAlike('one hundred and third', '103rd');
    expect(normalizeEnglish('eleventh twelfth thirteenth second')).toBe('11th 12th 13th 2nd');
  });

  it('gives money, percent and times one form', () => {
    expectAlike('$20', 'twenty dollars', '20 dollars');
    expectAlike('$20.05', 'twenty dollars and five cents');
    expectAlike('$2.5 million', '2.5 million dollars', 'two point five million dollars');
    expectAlike('20%', 'twenty percent', '20 per cent');
    expectAlike('two thirty p.m.', '2:30 PM', '2:30 p.m.', '2.30pm');
    expectAlike('at ten a.m.', 'at 10 AM', 'at 10:00 a.m.');
  });

  it('takes American spelling', () => {
    expectAlike(
      'the colour of his neighbours’ favourite theatre',
      "the color of his neighbors' favorite theater",
    );
    expectAlike('realised, organising, analysed', 'realized organizing analyzed');
    expectAlike('travelled in grey jewellery', 'traveled in gray jewelry');
    expect(normalizeEnglish('hour four flour glamour wise rise promise exercise')).toBe(
      'hour 4 flour glamour wise rise promise exercise',
    );
  });

  it('is done after one pass', () => {
    for (const text of ["It's two thirty p.m.", 'The 21st of May, $5.10, 30%', "MISTER QUILTER'S COLOUR"])
      expect(normalizeEnglish(normalizeEnglish(text))).toBe(normalizeEnglish(text));
  });
});
