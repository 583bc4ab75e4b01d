// Prints the text while the rest of the recording is still being worked on.
import { createReadStream } from 'node:fs';
import OpenAI from 'openai';

const client = new OpenAI({ baseURL: 'http://127.0.0.1:8080/v1', apiKey: 'none' });

const events = await client.audio.transcriptions.create({
  model: 'whisper-1',
  file: createReadStream(process.argv[2] ?? 'test/fixtures/audio/jfk.wav'),
  stream: true,
});
for await (const event of events)
  if (event.type === 'transcript.text.delta') process.stdout.write(event.delta);
process.stdout.write('\n');
