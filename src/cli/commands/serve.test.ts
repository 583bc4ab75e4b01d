import { describe, expect, it } from 'vitest';
import { startLines } from './serve.ts';

const facts = { url: 'http://127.0.0.1:8080', version: '1.2.3', keysRequired: false };

describe('startLines', () => {
  it('names the address and a first request', () => {
    expect(startLines(facts)).toBe(
      'Stenographer 1.2.3 listens on http://127.0.0.1:8080\n' +
        'Try: curl http://127.0.0.1:8080/v1/audio/transcriptions -F model=whisper-1 -F file=@recording.mp3\n',
    );
  });

  it('shows where the key goes, and that only WAV works without ffmpeg', () => {
    expect(startLines({ ...facts, keysRequired: true })).toContain('-H "Authorization: Bearer YOUR_KEY"');
    expect(startLines({ ...facts, notice: 'Install ffmpeg.' })).toMatch(
      /recording\.wav\nOnly WAV files for now\. Install ffmpeg\.\n$/,
    );
  });
});
