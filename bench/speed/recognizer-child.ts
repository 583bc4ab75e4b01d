import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childEnvironment, SMALL_HEAP } from '../../src/scheduler/inference-child.ts';
import type { SpeedClip } from './clips.ts';
import type { RunTimes } from './recognizer-process.ts';

const ENTRY = fileURLToPath(new URL('./recognizer-process.ts', import.meta.url));

/**
 * How a process is started: `plain` as anybody starts Node, `served` with the settings that Stenographer gives its inference processes
 * (huge pages, memory given back, little room for young objects).
 */
export type Settings = 'plain' | 'served';

/** One system in a process of its own, so that no system's garbage is collected in another one's time. */
export class RecognizerChild {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when the model is loaded and the clips are there. */
  static async start(
    system: string,
    settings: Settings,
    clips: readonly SpeedClip[],
  ): Promise<RecognizerChild> {
    const isServed = settings === 'served';
    const child = new RecognizerChild(
      fork(ENTRY, [system], {
        execArgv: [...(isServed ? SMALL_HEAP : []), '--import', 'tsx'],
        env: isServed ? childEnvironment() : process.env,
        serialization: 'advanced',
      }),
    );
    await child.#ask(clips.map(({ samples }) => samples));
    return child;
  }

  /** Runs the clips with these numbers, one after the other. */
  run(numbers: readonly number[]): Promise<RunTimes> {
    return this.#ask({ run: numbers }) as Promise<RunTimes>;
  }

  stop(): void {
    this.#child.removeAllListeners('exit');
    this.#child.kill();
  }

  #ask(message: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const gone = (code: number | null): void =>
        reject(new Error(`a recognizer's process ended with ${code}`));
      this.#child.once('exit', gone);
      this.#child.once('message', (answer) => {
        this.#child.off('exit', gone);
        resolve(answer);
      });
      this.#child.send(message);
    });
  }
}
