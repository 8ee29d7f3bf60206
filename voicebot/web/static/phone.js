// A telephone in the browser: one call over the service's media WebSocket. It knows nothing
// of the page. Events (`detail` in brackets): connected, mark [name], level [{mic, bot}],
// ended [{by: "us" | "them" | "fault", fault, reason}].

const CALL_RATE = 16000;
const OPEN_TIMEOUT_MS = 8000;
const ANSWER_TIMEOUT_MS = 15000;
const DRAIN_MS = 1000;
const MAX_UNSENT = 45_000;      // bytes: 1 s of audio; what comes later than that is worth nothing

/** A call that could not be begun or went wrong; `code` is one of words.js. */
export class PhoneFault extends Error {
  constructor(code, detail = "") {
    super(code);
    this.code = code;
    this.detail = detail;
  }
}

export class Phone extends EventTarget {
  /** {url, token, callId, did, caller} */
  constructor(options) {
    super();
    this.options = options;
    this.streamId = "MZ" + options.callId.replaceAll("-", "");
    this.answered = false;
    this.over = false;
    this.idle = true;
    this.chunk = 0;
    this.levels = { mic: 0, bot: 0 };
  }

  /** Microphone and loudspeaker; to be called from a click. Throws PhoneFault. */
  async pickUp() {
    try {
      await this.openAudio();
      // Where a phone's screen goes dark, its microphone goes silent.
      this.awake = await navigator.wakeLock?.request("screen").catch(() => undefined);
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  /** Rings; resolves once the call is on its way. Throws PhoneFault. */
  async call() {
    try {
      if (this.over) throw new PhoneFault("cancelled");
      await this.openSocket();
    } catch (fault) {
      this.close();
      throw fault;
    }
  }

  press(key) {
    this.send({ event: "dtmf", dtmf: { track: "inbound_track", digit: key } });
  }

  mute(muted) {
    this.microphone?.port.postMessage({ muted });
  }

  hangUp() {
    this.send({ event: "stop", stop: {} });
    this.finish({ by: "us" });
  }

  /** Is gone without having hung up, as a line that breaks. */
  vanish(code) {
    this.finish(fault(code));
  }

  // ── audio ──────────────────────────────────────────────────────────────────────────

  async openAudio() {
    if (!window.isSecureContext || !navigator.mediaDevices) throw new PhoneFault("insecure");
    if (!window.AudioWorkletNode) throw new PhoneFault("old_browser");
    this.context = new AudioContext({ latencyHint: "interactive" });
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({
        audio: {
          channelCount: 1,
          echoCancellation: true,
          autoGainControl: true,
          noiseSuppression: false, // the recogniser knows noise, but not what suppression leaves
        },
      });
    } catch (error) {
      throw new PhoneFault(microphoneFault(error), error.name);
    }
    if (this.over) throw new PhoneFault("cancelled");
    await this.context.audioWorklet.addModule("/call/worklet.js");
    await this.context.resume();
    this.microphone = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0 });
    this.microphone.port.onmessage = ({ data }) => this.sendFrame(data);
    this.speaker = new AudioWorkletNode(this.context, "speaker", {
      numberOfInputs: 0, outputChannelCount: [1],
    });
    this.speaker.port.onmessage = ({ data }) => this.played(data);
    this.speaker.connect(this.context.destination);
    this.context.createMediaStreamSource(this.stream).connect(this.microphone);
    this.stream.getAudioTracks()[0].onended = () => this.finish(fault("microphone_lost"));
  }

  sendFrame({ frame, level }) {
    this.levels.mic = level;
    this.tell("level", this.levels);
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > MAX_UNSENT) return;
    this.chunk += 1;
    const payload = btoa(String.fromCharCode(...new Uint8Array(frame)));
    const media = { track: "inbound", chunk: String(this.chunk), payload };
    this.send({ event: "media", media: { ...media, timestamp: String(20 * (this.chunk - 1)) } });
  }

  played({ mark, level, idle }) {
    if (level !== undefined) {
      this.levels.bot = level;
    } else if (mark !== undefined) {
      // What the buffer has given out is heard when it has passed the sound card.
      setTimeout(() => this.send({ event: "mark", mark: { name: mark } }),
        1000 * (this.context.outputLatency || 0));
    } else if (idle) {
      this.idle = true;
      this.onIdle?.();
    }
  }

  // ── socket ─────────────────────────────────────────────────────────────────────────

  openSocket() {
    return new Promise((resolve, reject) => {
      const socket = this.socket = new WebSocket(this.options.url);
      const late = setTimeout(() => reject(new PhoneFault("unreachable")), OPEN_TIMEOUT_MS);
      let opened = false;
      socket.onopen = () => {
        opened = true;
        clearTimeout(late);
        this.sayStart();
        this.unanswered = setTimeout(
          () => this.finish(fault("no_answer")), ANSWER_TIMEOUT_MS);
        resolve();
      };
      socket.onmessage = ({ data }) => this.take(JSON.parse(data));
      socket.onclose = (event) => {
        clearTimeout(late);
        if (opened) this.closedByThem(event);
        else reject(new PhoneFault("unreachable"));
      };
    });
  }

  sayStart() {
    const { token, callId, did, caller } = this.options;
    this.send({ event: "connected", protocol: "Call", version: "1.0.0" });
    this.send({
      event: "start",
      start: {
        streamSid: this.streamId,
        callSid: callId,
        tracks: ["inbound"],
        mediaFormat: { encoding: "audio/l16", sampleRate: CALL_RATE, channels: 1 },
        customParameters: { token, did, caller },
      },
    });
  }

  take(message) {
    if (message.event === "media") {
      this.idle = false;
      this.speaker?.port.postMessage({ audio: samples(message.media.payload) });
    } else if (message.event === "mark") {
      this.speaker?.port.postMessage({ mark: message.mark.name });
      this.tell("mark", message.mark.name);
    } else if (message.event === "clear") {
      this.speaker?.port.postMessage({ clear: true });
    } else {
      return;
    }
    if (!this.answered) {
      this.answered = true;
      clearTimeout(this.unanswered);
      this.tell("connected");
    }
  }

  closedByThem({ code, reason }) {
    if (code === 1008) this.finish(fault("refused", reason));
    else if (code === 1001 || code === 1012) this.finish(fault("stopping"));
    else if (code !== 1000 && code !== 1005) this.finish(fault("lost"));
    else if (!this.answered) this.finish(fault("no_answer"));
    else this.afterLastWord(() => this.finish({ by: "them" }));
  }

  /** The socket is closed, but what it brought last is still to be heard. */
  afterLastWord(then) {
    if (this.idle) return then();
    this.onIdle = then;
    setTimeout(then, DRAIN_MS);
    return undefined;
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.socket.send(JSON.stringify({ streamSid: this.streamId, ...message }));
  }

  // ── the end ────────────────────────────────────────────────────────────────────────

  finish(how) {
    if (this.over) return;
    this.close();
    this.tell("ended", how);
  }

  close() {
    this.over = true;
    clearTimeout(this.unanswered);
    this.socket?.close(1000);
    this.awake?.release();
    this.stream?.getTracks().forEach((track) => { track.onended = null; track.stop(); });
    if (this.context && this.context.state !== "closed") this.context.close();
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

const fault = (code, reason = "") => ({ by: "fault", fault: code, reason });

function microphoneFault(error) {
  if (error.name === "NotAllowedError" || error.name === "SecurityError") return "mic_denied";
  if (error.name === "NotFoundError" || error.name === "OverconstrainedError") return "mic_missing";
  return "mic_busy";
}

/** Base64 of L16 in network order → samples between -1 and 1. */
function samples(payload) {
  const bytes = Uint8Array.from(atob(payload), (char) => char.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, i) => view.getInt16(2 * i) / 32768);
}
