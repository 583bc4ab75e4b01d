// Prints each word with its time in seconds, and helps the model with names that it could not know.
import { createReadStream } from 'node:fs';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: 'http://127.0.0.1:8080/v1', apiKey: 'none' });

const { words = [] } = await client.audio.transcriptions.create({
  model: 'whisper-1',
  file: createReadStream(process.argv[2] ?? 'test/fixtures/audio/jfk.wav'),
  response_format: 'verbose_json',
  timestamp_granularities: ['word'],
  keywords: ['Stenographer', 'Kennedy'],
});
for (const { word, start, end } of words) console.log(`${start.toFixed(2)} ${end.toFixed(2)} ${word}`);
