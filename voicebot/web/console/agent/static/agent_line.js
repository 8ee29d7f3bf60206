// The agent's telephone in this browser: the media WebSocket of a call that rings at the desk.
// `stop` is said for the key to hang up alone: whatever else ends the line hands the caller on.

import { Phone, PhoneFault } from "/call/phone.js";

const there = (leg) => {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  return `${scheme}://${location.host}/v1/agent/offers/${encodeURIComponent(leg)}/line`;
};

export class DeskLine {
  /** `changed(state, code)`: "off", "opening", "on"; a code of words.js where it went wrong. */
  constructor(changed) {
    this.changed = changed;
    this.phone = null;
  }

  get on() {
    return this.phone !== null;
  }

  /** Answers what rings, with microphone and loudspeaker; resolves once it is on its way. */
  async answer(leg) {
    if (this.phone) return;
    const phone = this.phone = new Phone({
      url: there(leg), token: "", callId: `desk-${leg}`, did: "", caller: "",
    });
    this.changed("opening");
    phone.addEventListener("connected", () => this.changed("on"));
    phone.addEventListener("ended", ({ detail }) => this.over(phone, detail.fault));
    try {
      await phone.pickUp();
      await phone.call();
    } catch (fault) {
      phone.close();
      this.over(phone, fault instanceof PhoneFault ? fault.code : "service_fault");
      throw fault;
    }
  }

  mute(on) {
    this.phone?.mute(on);
  }

  hangUp() {
    this.phone?.hangUp();
  }

  /** The page goes, and with it the line. */
  vanish() {
    this.phone?.vanish("lost");
  }

  over(phone, code = "") {
    if (this.phone !== phone) return;
    this.phone = null;
    this.changed("off", code);
  }
}
