import { describe, expect, it } from 'vitest';
import { capabilitiesOf, checkChunk } from './capabilities.ts';

const abilities = { translate: true, words: true, prompt: true };
const chunk = {
  id: 1,
  samples: new Float32Array(0),
  paddingBefore: 0,
  paddingAfter: 0,
  speechSecond: 0,
  temperature: 0,
};

describe('capabilitiesOf', () => {
  it('says of a Whisper with several languages that it tells them apart', () => {
    const several = capabilitiesOf({ engine: 'whisper-cpp', languages: ['en', 'de'], abilities });
    expect(several).toMatchObject({ detectsLanguage: true, translate: true, words: true, windowSecond: 30 });
    expect(capabilitiesOf({ engine: 'whisper-cpp', languages: ['en'], abilities }).detectsLanguage).toBe(
      false,
    );
  });

  it('gives no Parakeet what the binding does not tell, whatever its entry says', () => {
    const parakeet = capabilitiesOf({
      engine: 'whisper-cpp',
      architecture: 'parakeet',
      languages: ['en', 'de'],
      abilities,
    });
    expect(parakeet).toMatchObject({
      detectsLanguage: false,
      words: false,
      prompt: false,
      temperature: false,
    });
  });

  it('gives Moonshine token probabilities and no translation', () => {
    const moonshine = capabilitiesOf({ engine: 'moonshine', languages: ['en'], abilities });
    expect(moonshine).toMatchObject({ logprobs: true, translate: false, keywords: true });
  });

  it('knows no other engine', () => {
    expect(() => capabilitiesOf({ engine: 'vosk', languages: ['en'], abilities })).toThrow('got vosk');
  });
});

describe('checkChunk', () => {
  const capabilities = capabilitiesOf({
    engine: 'whisper-cpp',
    languages: ['en', 'de'],
    abilities: { ...abilities, translate: false },
  });

  it('lets through what the model can do', () => {
    checkChunk(chunk, capabilities);
    checkChunk({ ...chunk, language: 'de', task: 'transcribe' }, capabilities);
  });

  it('refuses other languages and tasks', () => {
    expect(() => checkChunk({ ...chunk, language: 'fr' }, capabilities)).toThrow('of en, de, got fr');
    expect(() => checkChunk({ ...chunk, task: 'translate' }, capabilities)).toThrow('cannot translate');
  });
});
