// The two ends of the audio, on the browser's audio thread: the microphone as 20 ms frames
// of 16 kHz, and the bot's voice through a jitter buffer. The device may run at any rate.

const CALL_RATE = 16000;
const FRAME = 320;              // samples: 20 ms
const CUSHION = 960;            // samples: 60 ms are gathered before a stretch of sound begins
const PATIENCE = 1280;          // … or 80 ms have passed since its first sample came
const LATE = 6400;              // samples: 400 ms wait; from there on pauses are left out
const PAUSE = 0.003;            // a frame without a sample above this is a pause
const MAX_BUFFERED = 60 * CALL_RATE;
const STEP = 16;                // samples: marks are exact to 1 ms
const ZERO_CROSSINGS = 12;      // half length of the filter, in periods of the lower rate
const TABLE = 256;              // points of the filter between two input samples

/** Changes the rate of one live stream, chunk by chunk: windowed sinc, 0.75 ms of delay. */
class Resampler {
  constructor(rateIn, rateOut) {
    this.step = rateIn / rateOut;
    const cutoff = 0.94 * Math.min(1, rateOut / rateIn);
    this.half = Math.ceil(ZERO_CROSSINGS / Math.min(1, rateOut / rateIn));
    this.table = new Float32Array(this.half * TABLE + 2);
    for (let i = 0; i <= this.half * TABLE; i++) {
      const x = i / TABLE;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * cutoff * x) / (Math.PI * cutoff * x);
      const window = 0.5 + 0.5 * Math.cos(Math.PI * x / this.half);
      this.table[i] = cutoff * sinc * window;
    }
    this.reset();
  }

  reset() {
    this.input = new Float32Array(2 * this.half);
    this.at = this.half;
  }

  push(chunk) {
    const input = new Float32Array(this.input.length + chunk.length);
    input.set(this.input);
    input.set(chunk, this.input.length);
    const output = [];
    for (; this.at + this.half < input.length; this.at += this.step) {
      const centre = Math.floor(this.at);
      let sum = 0;
      for (let i = centre - this.half + 1; i <= centre + this.half; i++) {
        sum += input[i] * this.table[Math.round(Math.abs(i - this.at) * TABLE)];
      }
      output.push(sum);
    }
    const used = Math.max(0, Math.floor(this.at) - this.half);
    this.input = input.slice(used);
    this.at -= used;
    return output;
  }
}

const loudness = (sum, samples) => Math.sqrt(sum / Math.max(1, samples));

/** Posts {frame: 640 bytes of L16 in network order, level: 0…1}, fifty a second. */
class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, CALL_RATE);
    this.waiting = [];
    this.muted = false;
    this.port.onmessage = ({ data }) => { this.muted = data.muted; };
  }

  process([[channel]]) {
    if (!channel) return true;
    this.waiting.push(...this.resampler.push(channel));
    while (this.waiting.length >= FRAME) this.send(this.waiting.splice(0, FRAME));
    return true;
  }

  send(samples) {
    const frame = new DataView(new ArrayBuffer(2 * FRAME));
    let sum = 0;
    samples.forEach((sample, i) => {
      const value = this.muted ? 0 : Math.max(-1, Math.min(1, sample));
      sum += value * value;
      frame.setInt16(2 * i, Math.round(32767 * value), false);
    });
    this.port.postMessage({ frame: frame.buffer, level: loudness(sum, FRAME) }, [frame.buffer]);
  }
}

/**
 * Takes {audio: Float32Array}, {mark: name} and {clear: true}; posts {mark: name} when what
 * stood before it has been played (or dropped), {level: 0…1}, and {idle: true} when it has
 * run out of sound.
 */
class Speaker extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(CALL_RATE, sampleRate);
    this.queue = [];
    this.buffered = 0;
    this.waited = 0;
    this.playing = false;
    this.ready = [];
    this.sum = this.counted = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take({ audio, mark, clear }) {
    if (clear) {
      const marks = this.queue.filter((item) => typeof item === "string");
      this.queue = [];
      this.buffered = 0;
      this.ready = [];
      this.resampler.reset();
      marks.forEach((name) => this.port.postMessage({ mark: name }));
      this.rest();
    } else if (mark !== undefined) {
      this.queue.push(mark);
    } else if (this.buffered + audio.length <= MAX_BUFFERED) {
      this.queue.push(audio);
      this.buffered += audio.length;
    }
  }

  process(_, [[output]]) {
    while (this.ready.length < output.length) this.ready.push(...this.resampler.push(this.next()));
    output.set(this.ready.splice(0, output.length));
    return true;
  }

  /** The next millisecond of the call. */
  next() {
    const chunk = new Float32Array(STEP);
    if (!this.playing && this.buffered) {
      this.waited += STEP;
      this.playing = this.buffered >= CUSHION || this.waited >= PATIENCE;
    }
    let filled = 0;
    this.catchUp();
    while (this.queue.length && (this.playing || typeof this.queue[0] === "string")) {
      const item = this.queue[0];
      if (typeof item === "string") {
        this.port.postMessage({ mark: item });
        this.queue.shift();
      } else if (filled === STEP) {
        break;
      } else {
        const part = item.subarray(0, STEP - filled);
        chunk.set(part, filled);
        filled += part.length;
        this.buffered -= part.length;
        if (part.length < item.length) this.queue[0] = item.subarray(part.length);
        else this.queue.shift();
      }
    }
    if (this.playing && !this.queue.length) this.rest();
    this.measure(chunk);
    return chunk;
  }

  /** After a stall of the network the sound would stay late for as long as it lasts. */
  catchUp() {
    while (this.buffered > LATE && typeof this.queue[0] !== "string"
        && this.queue[0].every((value) => Math.abs(value) < PAUSE)) {
      this.buffered -= this.queue.shift().length;
    }
  }

  rest() {
    this.playing = false;
    this.waited = 0;
    this.port.postMessage({ idle: true });
  }

  measure(chunk) {
    for (const value of chunk) this.sum += value * value;
    this.counted += chunk.length;
    if (this.counted >= FRAME) {
      this.port.postMessage({ level: loudness(this.sum, this.counted) });
      this.sum = this.counted = 0;
    }
  }
}

registerProcessor("microphone", Microphone);
registerProcessor("speaker", Speaker);
