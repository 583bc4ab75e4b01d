import { createReadStream } from 'node:fs';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: 'http://127.0.0.1:8080/v1', apiKey: 'none' });

const transcription = await client.audio.transcriptions.create({
  model: 'whisper-1',
  file: createReadStream('test/fixtures/audio/jfk.wav'),
});
console.log(transcription.text);
