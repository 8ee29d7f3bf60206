// A question into the microphone: recorded here, recognised by the service as a call's is.

import { csrf, logIn } from "./api.js";
import { t } from "./messages.js";
import { toast } from "./toast.js";

const RATE = 16000;
const HEADER = 44;

const form = document.getElementById("ask");
const button = document.getElementById("aloud");
const told = document.getElementById("told");

let recording = null;

button.addEventListener("click", () => (recording ? recording.stop() : begin()));
button.disabled = false;

async function begin() {
  button.disabled = true;
  try {
    recording = await record(Number(button.dataset.longest));
  } catch {
    toast(t("kb.no_microphone"), "danger");
    return;
  } finally {
    button.disabled = false;
  }
  show(true);
  const frames = await recording.done;
  recording = null;
  show(false);
  await ask(wav(frames));
}

function show(on) {
  button.setAttribute("aria-pressed", String(on));
  button.querySelector("[data-label]").textContent = t(on ? "kb.stop" : "kb.say");
  document.getElementById("hearing").hidden = !on;
}

/** Frames of 20 ms until `stop` is called or so many seconds have passed. */
async function record(longest) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { channelCount: 1 } });
  const context = new AudioContext();
  const frames = [];
  let stop;
  const over = new Promise((resolve) => { stop = resolve; });
  try {
    await context.audioWorklet.addModule("/call/worklet.js");
    const node = new AudioWorkletNode(context, "microphone", { numberOfOutputs: 0 });
    const level = document.getElementById("level");
    node.port.onmessage = ({ data }) => {
      frames.push(data.frame);
      level.value = data.level;
      if (frames.length >= 50 * longest - 1) stop();
    };
    context.createMediaStreamSource(stream).connect(node);
  } catch (fault) {
    stop();
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
    throw fault;
  }
  const done = over.then(async () => {
    stream.getTracks().forEach((track) => track.stop());
    await context.close();
    return frames;
  });
  return { stop, done };
}

/** Frames of L16 in network order as a WAV file. */
function wav(frames) {
  const bytes = frames.reduce((sum, frame) => sum + frame.byteLength, 0);
  const view = new DataView(new ArrayBuffer(HEADER + bytes));
  const text = (at, value) => [...value].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, HEADER - 8 + bytes, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, bytes, true);
  let at = HEADER;
  for (const frame of frames) {
    const samples = new DataView(frame);
    for (let i = 0; i < frame.byteLength; i += 2, at += 2) view.setInt16(at, samples.getInt16(i, false), true);
  }
  return new Blob([view], { type: "audio/wav" });
}

async function ask(audio) {
  const note = Object.assign(document.createElement("p"), { className: "notice", textContent: t("kb.recognising") });
  told.replaceChildren(note);
  const where = new URLSearchParams({ region: form.elements.region.value, line: form.elements.line.value });
  try {
    const answer = await fetch(`/console/knowledge/try/heard?${where}`, {
      method: "POST", body: audio, cache: "no-store",
      headers: { "Content-Type": "audio/wav", "X-CSRF-Token": csrf(), "HX-Request": "true" },
    });
    if (answer.status === 401) logIn();
    told.innerHTML = await answer.text();
  } catch {
    told.replaceChildren();
    toast(t("away"), "danger");
  }
}
