"""The simulated line is measured with the instruments that a real one would be measured with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.codecs import WireFormat
from telephony.line_simulation import (
    NOISES,
    RATE,
    Echo,
    LineCondition,
    active_level,
    babble,
    conceal,
    lost_packets,
    recorded,
    simulate_line,
)

LINEAR = WireFormat.named("l16", RATE)
PACKET = LINEAR.frame_samples


def sine(hertz: float, seconds: float = 1.0, rate: int = 16_000, level: float = -20.0):
    time = np.arange(round(seconds * rate)) / rate
    return (2**0.5 * 10 ** (level / 20) * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def syllables(seconds: float = 4.0, rate: int = 16_000, seed: int = 1):
    """Noise in the rhythm of speech: 200 ms of sound, 100 ms of pause."""
    pcm = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)
    return pcm * (np.arange(pcm.size) / rate % 0.3 < 0.2)


def level_of(pcm) -> float:
    """RMS in dBFS."""
    scale = 32768.0 if pcm.dtype == np.int16 else 1.0
    return float(10 * np.log10(np.mean((pcm.astype(np.float64) / scale) ** 2) + 1e-20))


def inner(pcm):
    """Without the first and last 100 ms, where filters swing in."""
    return pcm[RATE // 10 : -RATE // 10]


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("hertz", [300, 350, 500, 1000, 2000, 3000, 3400])
def test_speech_passes_unchanged_between_300_and_3400_hz(hertz: int, rate: int) -> None:
    heard = simulate_line(sine(hertz, rate=rate), rate, LineCondition(wire=LINEAR)).pcm
    assert level_of(inner(heard)) == pytest.approx(-20.0, abs=0.5)


@pytest.mark.parametrize("hertz", [50, 100, 150, 3700, 3900, 4500, 7000])
def test_what_lies_outside_the_band_is_gone(hertz: int) -> None:
    heard = simulate_line(sine(hertz), 16_000, LineCondition(wire=LINEAR)).pcm
    assert level_of(inner(heard)) < -20.0 - 40.0


def test_the_line_delays_nothing() -> None:
    speech = syllables(rate=RATE)
    heard = simulate_line(speech, RATE, LineCondition(wire=LINEAR)).pcm
    assert heard.size == speech.size
    both = np.correlate(heard.astype(np.float64), speech[200:-200].astype(np.float64), "valid")
    assert int(np.argmax(both)) == 200


@pytest.mark.parametrize("level", [-40.0, -26.0, -18.0])
def test_speech_is_brought_to_its_level_while_somebody_speaks(level: float) -> None:
    speech = syllables() * 0.05
    heard = simulate_line(speech, 16_000, LineCondition(wire=LINEAR, level_dbfs=level)).pcm
    measured = active_level(heard.astype(np.float32) / 32768)
    assert measured == pytest.approx(level, abs=0.3)


def test_pauses_do_not_count_for_the_level() -> None:
    speech = syllables(rate=RATE)
    pauses = np.concatenate([speech, np.zeros(10 * RATE, np.float32)])
    assert active_level(pauses) == pytest.approx(active_level(speech), abs=0.01)
    assert active_level(np.zeros(RATE, np.float32)) is None
    assert active_level(np.zeros(0, np.float32)) is None


def recording():
    return babble(syllables(seed=5), 16_000)


@pytest.mark.parametrize("noise", [*NOISES.values(), recording()], ids=[*NOISES, "babble"])
@pytest.mark.parametrize("snr", [0.0, 15.0, 30.0])
def test_noise_lies_so_far_below_the_speech(noise, snr: float) -> None:
    def heard(noise):
        condition = LineCondition(wire=LINEAR, level_dbfs=-26, noise=noise, snr_db=snr)
        return simulate_line(syllables(), 16_000, condition).pcm.astype(np.float64) / 32768

    assert level_of(heard(noise) - heard(None)) == pytest.approx(-26 - snr, abs=0.3)


def test_noise_keeps_its_level_where_nobody_speaks() -> None:
    condition = LineCondition(wire=LINEAR, noise=NOISES["white"], snr_db=20)
    heard = simulate_line(np.zeros(32_000, np.float32), 16_000, condition).pcm
    assert level_of(heard) == pytest.approx(-46, abs=0.3)


def test_white_noise_is_flat_and_pink_noise_falls_by_3_db_an_octave() -> None:
    def octave_step(name: str) -> float:
        noise = NOISES[name](60 * RATE, np.random.default_rng(3))
        power = np.abs(np.fft.rfft(noise)) ** 2
        hertz = np.fft.rfftfreq(noise.size, 1 / RATE)
        low = power[(hertz > 500) & (hertz < 1000)].mean()
        return float(10 * np.log10(power[(hertz > 1000) & (hertz < 2000)].mean() / low))

    assert octave_step("white") == pytest.approx(0, abs=0.2)
    assert octave_step("pink") == pytest.approx(-3, abs=0.2)


def test_a_recording_of_noise_goes_round_from_a_random_place() -> None:
    loop = np.arange(100, dtype=np.float32) / 1000
    first, second = (recorded(loop, RATE)(250, np.random.default_rng(seed)) for seed in (1, 2))
    for heard in (first, second):
        assert np.array_equal(heard[:100], heard[100:200])
        assert np.array_equal(np.sort(heard[:100]), loop)
    assert not np.array_equal(first, second)
    with pytest.raises(ValueError, match="holds samples"):
        recorded(loop[:0], RATE)


@pytest.mark.parametrize(("level", "delay"), [(-30.0, 0.120), (-12.0, 0.4), (0.0, 0.02)])
def test_an_echo_comes_so_late_and_so_quiet(level: float, delay: float) -> None:
    click = np.zeros(RATE, np.float32)
    click[1000] = 0.5
    heard = simulate_line(click, RATE, LineCondition(wire=LINEAR, echo=Echo(level, delay))).pcm
    plain = simulate_line(click, RATE, LineCondition(wire=LINEAR)).pcm
    echo = np.abs(heard.astype(np.float64) - plain)
    at = 1000 + round(delay * RATE)
    assert int(np.argmax(echo)) == at
    assert 20 * np.log10(echo[at] / plain[1000]) == pytest.approx(level, abs=0.3)


@pytest.mark.parametrize(("codec", "ratio"), [("alaw", 37), ("mulaw", 37)])
def test_the_codec_leaves_its_own_noise_and_no_more(codec: str, ratio: float) -> None:
    def heard(wire: WireFormat):
        return simulate_line(syllables(), 16_000, LineCondition(wire=wire, level_dbfs=-20)).pcm

    coded, plain = heard(WireFormat.named(codec)), heard(LINEAR)
    noise = level_of(coded.astype(np.float64) / 32768 - plain / 32768)
    assert level_of(plain) - noise == pytest.approx(ratio, abs=3)


@pytest.mark.parametrize(("loss", "burst"), [(0.01, 1), (0.1, 1), (0.05, 4), (0.2, 10), (0.6, 1)])
def test_losses_are_as_frequent_and_as_bunched_as_they_are_said_to_be(
    loss: float, burst: float
) -> None:
    lost = lost_packets(200_000, loss, burst, np.random.default_rng(7))
    runs = int(np.count_nonzero(np.diff(lost.astype(np.int8)) == 1)) + int(lost[0])
    assert lost.mean() == pytest.approx(loss, rel=0.1)
    assert lost.sum() / runs == pytest.approx(max(burst, 1 / (1 - loss)), rel=0.1)


def test_no_loss_loses_nothing() -> None:
    assert not lost_packets(1000, 0.0, 4, np.random.default_rng(0)).any()


def packets(count: int, *lost: int):
    return np.isin(np.arange(count), lost)


def test_a_lost_packet_of_a_steady_voice_is_hardly_noticed() -> None:
    voice = sum(sine(hertz, 0.2, RATE, -24) for hertz in (125, 250, 375, 1000))
    pcm = np.rint(voice * 32767).astype(np.int16)
    without = pcm.copy()
    without[4 * PACKET : 5 * PACKET] = 0
    filled = conceal(without, packets(10, 4), PACKET)
    gap = slice(4 * PACKET, 5 * PACKET + 40)
    error = (filled[gap] - pcm[gap].astype(np.float64)) / 32768
    assert level_of(error) < level_of(pcm[gap]) - 15
    assert np.array_equal(filled[: 4 * PACKET], pcm[: 4 * PACKET])
    assert np.array_equal(filled[5 * PACKET + 40 :], pcm[5 * PACKET + 40 :])


def test_a_long_gap_fades_to_silence_within_60_ms() -> None:
    pcm = np.rint(sine(200, 0.4, RATE, -12) * 32767).astype(np.int16)
    filled = conceal(pcm, packets(20, *range(8, 14)), PACKET)
    gap = filled[8 * PACKET : 14 * PACKET]
    levels = [level_of(gap[at : at + 80]) for at in range(0, 480, 80)]
    assert levels[0] == pytest.approx(-12, abs=0.5)
    assert levels == sorted(levels, reverse=True)
    assert not gap[480:].any()


def test_losses_at_both_ends_of_a_call_are_silence_and_speech_going_on() -> None:
    pcm = np.rint(sine(200, 0.1, RATE, -12) * 32767).astype(np.int16)
    filled = conceal(pcm, packets(5, 0, 4), PACKET)
    assert not filled[:PACKET].any()
    assert filled[4 * PACKET :].any()
    assert not conceal(pcm, packets(5, *range(5)), PACKET).any()


def test_the_samples_of_a_lost_packet_are_not_looked_at() -> None:
    pcm = np.rint(syllables(1.0, RATE) * 32767).astype(np.int16)
    other = pcm.copy()
    other[20 * PACKET : 22 * PACKET] = 12_345
    lost = packets(50, 20, 21)
    assert np.array_equal(conceal(pcm, lost, PACKET), conceal(other, lost, PACKET))


BAD = LineCondition(
    level_dbfs=-30, echo=Echo(-25, 0.1), noise=NOISES["pink"], snr_db=10, loss=0.1, burst=3, seed=4
)


def test_a_seed_gives_the_same_line_again() -> None:
    first, again = (simulate_line(syllables(), 16_000, BAD) for _ in range(2))
    assert np.array_equal(first.pcm, again.pcm)
    assert first.lost.any()
    other = simulate_line(
        syllables(), 16_000, LineCondition(noise=NOISES["pink"], loss=0.1, burst=3, seed=5)
    )
    assert not np.array_equal(first.lost, other.lost)


def test_losses_stay_where_they_are_when_noise_is_added() -> None:
    quiet = simulate_line(syllables(), 16_000, LineCondition(loss=0.1, seed=9))
    noisy = simulate_line(
        syllables(), 16_000, LineCondition(loss=0.1, seed=9, noise=NOISES["white"])
    )
    assert np.array_equal(quiet.lost, noisy.lost)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(
        st.one_of(st.floats(width=32), st.sampled_from([0.0, 1.0, -1.0])), max_size=700
    ),
    rate=st.sampled_from([8000, 11_025, 16_000, 48_000]),
    codec=st.sampled_from(["alaw", "mulaw", "l16"]),
    loss=st.sampled_from([0.0, 0.5, 0.99]),
    noise=st.sampled_from([None, *NOISES.values()]),
    echo=st.booleans(),
    level=st.sampled_from([None, -26.0]),
)
def test_anything_of_any_length_goes_over_the_line(
    samples, rate, codec, loss, noise, echo, level
) -> None:
    condition = LineCondition(
        wire=WireFormat.named(codec, RATE), level_dbfs=level, noise=noise, loss=loss,
        echo=Echo(-20, 0.01) if echo else None,
    )  # fmt: skip
    heard = simulate_line(np.asarray(samples, np.float32), rate, condition)
    assert heard.pcm.dtype == np.int16
    assert heard.pcm.size == pytest.approx(len(samples) * RATE / rate, abs=1)
    assert heard.lost.size == -(-heard.pcm.size // PACKET)


@settings(max_examples=60, deadline=None)
@given(
    pcm=st.lists(st.integers(-32768, 32767), max_size=900),
    lost=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_concealment_touches_nothing_but_gaps_and_their_joins(pcm, lost) -> None:
    samples = np.asarray(pcm, np.int16)
    mask = np.asarray(lost)[: -(-samples.size // PACKET)]
    filled = conceal(samples, mask, PACKET)
    kept = np.ones(samples.size, np.bool_)
    for index in np.flatnonzero(mask):
        kept[index * PACKET : (index + 1) * PACKET + 40] = False
    assert np.array_equal(filled[kept], samples[kept])


@pytest.mark.parametrize(
    "wrong",
    [
        {"level_dbfs": 3.0},
        {"snr_db": 500.0},
        {"loss": 1.0},
        {"loss": -0.1},
        {"burst": 0.5},
        {"wire": WireFormat.named("l16", 16_000)},
    ],
)
def test_a_line_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        LineCondition(**wrong)


@pytest.mark.parametrize(("level", "delay"), [(1.0, 0.1), (-20.0, 0.0), (-20.0, 3.0)])
def test_an_echo_that_cannot_be_is_refused(level: float, delay: float) -> None:
    with pytest.raises(ValueError, match="an echo"):
        Echo(level, delay)
