const SAMPLE_RATE = 16_000;

/** A sine, as the test models of whisper.cpp take it for speech: mono f32 at 16 kHz. */
export function toneSamples(hertz: number, seconds: number, amplitude = 0.3): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * SAMPLE_RATE) },
    (_, index) => amplitude * Math.sin((2 * Math.PI * hertz * index) / SAMPLE_RATE),
  );
}

/** The least that 16 bits can hold, up and down: what a quiet room leaves in a recording. */
export function hushSamples(seconds: number): Float32Array {
  return Float32Array.from(
    { length: Math.round(seconds * SAMPLE_RATE) },
    (_, index) => ((index % 3) - 1) / 32_768,
  );
}
