"""The page's audio thread, rendered faster than life: exact, whatever the device's rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.browser.conftest import Visit
from tests.browser.service import pitch, tone

pytestmark = pytest.mark.asyncio(loop_scope="session")

RENDER = """
async ({ rate, seconds, node, steps, hertz }) => {
  const context = new OfflineAudioContext(1, seconds * rate, rate);
  await context.audioWorklet.addModule("/call/worklet.js");
  await context.audioWorklet.addModule("/echo.js");
  const echo = new AudioWorkletNode(context, "echo", { numberOfInputs: 0 });
  const delivered = () => new Promise((resolve) => {
    echo.port.onmessage = resolve;
    echo.port.postMessage("there?");
  });
  const heard = [];
  const frames = [];
  const worklet = new AudioWorkletNode(context, node, node === "speaker"
    ? { numberOfInputs: 0, outputChannelCount: [1] } : { numberOfOutputs: 0 });
  worklet.port.onmessage = ({ data }) => {
    if (data.mark !== undefined) heard.push([data.mark, context.currentTime]);
    if (data.frame) frames.push(...new Uint8Array(data.frame));
  };
  if (node === "speaker") worklet.connect(context.destination);
  else {
    const source = new OscillatorNode(context, { frequency: hertz });
    source.connect(new GainNode(context, { gain: 0.5 })).connect(worklet);
    source.start();
  }
  for (const [at, ...messages] of steps) {
    // A render that stands still takes its messages before it goes on.
    context.suspend(at).then(async () => {
      for (const message of messages) {
        if (message.audio) message.audio = Float32Array.from(message.audio);
        worklet.port.postMessage(message);
      }
      await delivered();
      context.resume();
    });
  }
  const rendered = await context.startRendering();
  await delivered();
  return { pcm: Array.from(rendered.getChannelData(0)), marks: heard, frames };
}
"""


async def render(visit: Visit, node: str, **given: Any) -> dict[str, Any]:
    await visit.page.goto(f"{visit.server.http_url}/call")
    arguments = {"rate": 48000, "seconds": 1.0, "steps": [], "hertz": 0, **given}
    return dict(await visit.page.evaluate(RENDER, {"node": node, **arguments}))


def sound(hertz: float, seconds: float) -> list[float]:
    return (tone(hertz, seconds, 16000, 16000) / 32768).tolist()  # type: ignore[no-any-return]


def frames(samples: list[float]) -> list[dict[str, Any]]:
    return [{"audio": samples[at : at + 320]} for at in range(0, len(samples), 320)]


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
async def test_speech_is_played_at_its_pitch_and_without_images(visit: Visit, rate: int) -> None:
    got = await render(
        visit, "speaker", rate=rate, steps=[[0.1, *frames(sound(3000, 0.8)), {"mark": "end"}]]
    )
    pcm = np.array(got["pcm"])
    middle = pcm[round(0.3 * rate) : round(0.8 * rate)]
    assert pitch(middle, rate) == pytest.approx(3000, abs=3)
    spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle)))) ** 2
    hertz = np.fft.rfftfreq(len(middle), 1 / rate)
    near = np.abs(hertz - 3000) < 30
    assert spectrum[~near].sum() / spectrum[near].sum() < 1e-4  # 40 dB
    heard = np.flatnonzero(np.abs(pcm) > 0.01)
    assert (heard[-1] - heard[0]) / rate == pytest.approx(0.8, abs=0.004)
    assert got["marks"][0][0] == "end"


async def test_sound_begins_when_there_is_a_cushion_or_patience_ends(visit: Visit) -> None:
    cushioned = await render(visit, "speaker", steps=[[0.1, *frames(sound(500, 0.06))]])
    begins = np.flatnonzero(np.abs(np.array(cushioned["pcm"])) > 0.01)[0] / 48000
    assert begins == pytest.approx(0.1, abs=0.006)
    scanty = await render(visit, "speaker", steps=[[0.1, *frames(sound(500, 0.02))]])
    begins = np.flatnonzero(np.abs(np.array(scanty["pcm"])) > 0.01)[0] / 48000
    assert begins == pytest.approx(0.18, abs=0.008)


async def test_clear_is_exact_and_gives_back_the_marks(visit: Visit) -> None:
    got = await render(
        visit,
        "speaker",
        steps=[
            [0.1, {"mark": "begin"}, *frames(sound(500, 0.8)), {"mark": "end"}],
            [0.4, {"clear": True}],
            [0.6, *frames(sound(1000, 0.2)), {"mark": "second"}],
        ],
    )
    pcm = np.array(got["pcm"])
    assert not pcm[round(0.404 * 48000) : round(0.6 * 48000)].any()
    assert pitch(pcm[round(0.65 * 48000) : round(0.75 * 48000)], 48000) == pytest.approx(
        1000, abs=12
    )
    assert [name for name, _ in got["marks"]] == ["begin", "end", "second"]


async def test_what_came_late_is_caught_up_in_the_pauses(visit: Visit) -> None:
    speech = [*sound(500, 0.3), *[0.0] * 8000, *sound(1000, 0.3)]
    got = await render(visit, "speaker", seconds=1.5, steps=[[0.1, *frames(speech)]])
    heard = np.flatnonzero(np.abs(np.array(got["pcm"])) > 0.01)
    assert 0.6 < (heard[-1] - heard[0]) / 48000 < 0.9  # of 1.1 s; no word is lost
    loud = np.abs(np.array(got["pcm"])) > 0.01
    assert loud.sum() / 48000 == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(
    ("rate", "hertz", "passes"),
    [
        (16000, 1000, True),
        (44100, 1000, True),
        (48000, 1000, True),
        (44100, 9500, False),
        (48000, 9500, False),
    ],
)
async def test_the_microphone_is_brought_to_16_khz_without_aliases(
    visit: Visit, rate: int, hertz: float, passes: bool
) -> None:
    got = await render(visit, "microphone", rate=rate, hertz=hertz)
    pcm = np.frombuffer(bytes(got["frames"]), ">i2").astype(np.float64)
    assert len(pcm) % 320 == 0
    assert len(pcm) / 16000 == pytest.approx(1.0, abs=0.03)
    middle = pcm[3200:]
    level = np.sqrt((middle**2).mean()) / 32768
    if passes:
        assert pitch(middle, 16000) == pytest.approx(hertz, abs=3)
        assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    else:
        assert level < 0.002  # 45 dB down
