// A phone that a test drives through `window.phone`.

import { Gateway } from "./gateway.js";
import { Peer } from "./peer.js";

// A call goes through these in this order; every other state is its end.
const STEPS = ["CALL_STATE_RINGING", "CALL_STATE_ACCEPTED"];

const CAMERA = { audio: true, video: { width: 320, height: 240, frameRate: 15 } };

// How far a call has come: -1 while that is not known.
function progress({ state }) {
  if (!state) return -1;
  const step = STEPS.indexOf(state);
  return step < 0 ? STEPS.length : step;
}

class Phone {
  // What went wrong, for whoever looks.
  faults = [];
  // Whether nothing of the next call goes but through TURN servers.
  isRelayOnly = false;

  #gateway;
  #me;
  #camera;
  #screen;
  // The newest that is known of the call that this phone is in.
  #call;
  #peer;
  // The id of the call that `#peer` is made for.
  #begun;
  // Signals that came before this phone knew that the call was accepted.
  #early = [];
  #rings = [];
  #waitsForRing;

  async start({ gateway, token }) {
    this.#gateway = new Gateway(gateway, token);
    this.#gateway.listen((frame) => this.#hear(frame));
    this.#me = await this.#gateway.connect();
    this.#camera = await navigator.mediaDevices.getUserMedia(CAMERA);
    document.getElementById("own").srcObject = this.#camera;
  }

  // Rings somebody. Resolves to the id of the call.
  async ring(userId) {
    const id = crypto.randomUUID();
    this.#turnTo({ id });
    const body = { callee_id: userId, media: "CALL_MEDIA_VIDEO", call_id: id };
    const { call } = await this.#gateway.rest("POST", "/calls", body);
    // Who calls the person that rings them gets that call, which has another id.
    if (call.id !== id) this.#turnTo(call);
    await this.#learn(call);
    return call.id;
  }

  // Waits until somebody rings, and answers. Resolves to the id of the call.
  async answer() {
    const ringing = this.#rings.shift() ?? (await new Promise((resolve) => (this.#waitsForRing = resolve)));
    this.#turnTo(ringing);
    const { call } = await this.#gateway.rest("POST", `/calls/${ringing.id}/accept`, {});
    await this.#learn(call);
    return call.id;
  }

  async shareScreen() {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video: true, audio: false });
    this.#screen = { stream, senders: await this.#peer.send(stream) };
  }

  stopSharing() {
    const { stream, senders } = this.#screen;
    this.#screen = undefined;
    for (const track of stream.getTracks()) track.stop();
    this.#peer.stop(senders);
  }

  // Ends the call for both.
  async hangUp() {
    await this.#gateway.rest("POST", `/calls/${this.#call.id}/end`, {});
  }

  // How things stand.
  async look() {
    const seen = this.#peer ? await this.#peer.look() : { frames: {}, samples: 0, route: null };
    return {
      ...seen,
      call_id: this.#call?.id ?? "",
      call_state: this.#call?.state ?? "",
      connection_state: this.#peer?.state ?? "",
      largest_signal: this.#peer?.largestSignal ?? 0,
      faults: [...this.faults, ...(this.#peer?.faults ?? [])],
    };
  }

  #hear({ call, call_signal: event }) {
    if (call) this.#learn(call).catch((error) => this.faults.push(String(error)));
    if (!event || event.call_id !== this.#call?.id) return;
    if (this.#peer) this.#peer.take(event.signal);
    else this.#early.push(event.signal);
  }

  #turnTo(call) {
    this.#call = call;
    this.#peer = undefined;
    this.#early = [];
  }

  #noteRing(call) {
    if (call.state !== "CALL_STATE_RINGING" || call.callee_id !== this.#me.user_id) return;
    if (this.#waitsForRing) this.#waitsForRing(call);
    else this.#rings.push(call);
    this.#waitsForRing = undefined;
  }

  async #learn(call) {
    if (call.id !== this.#call?.id) return this.#noteRing(call);
    // An answer of REST may come after the frame that has overtaken it.
    if (progress(call) < progress(this.#call)) return;
    this.#call = call;
    if (call.state === "CALL_STATE_ACCEPTED") await this.#begin(call);
    else if (call.state !== "CALL_STATE_RINGING") this.#peer?.close();
  }

  async #begin(call) {
    const isCaller = call.caller_device_id === this.#me.device_id;
    const isMine = isCaller || call.callee_device_id === this.#me.device_id;
    // The call is told of by REST, by its frames, and once more when another replica leads.
    if (!isMine || this.#begun === call.id) return;
    this.#begun = call.id;
    this.#peer = undefined;
    const peer = new Peer({
      configuration: await this.#configuration(),
      isPolite: !isCaller,
      tell: (signal) => this.#gateway.say({ call_signal: { call_id: call.id, signal } }),
      onTrack: (track) => this.#show(track),
    });
    if (isCaller) await peer.send(this.#camera);
    else peer.sendWhenOffered(this.#camera);
    this.#peer = peer;
    for (const signal of this.#early.splice(0)) peer.take(signal);
  }

  async #configuration() {
    const { ice_servers: servers = [] } = await this.#gateway.rest("GET", "/calls/ice-servers");
    const iceServers = servers.map(({ urls, username, credential }) => ({ urls, username, credential }));
    return { iceServers, iceTransportPolicy: this.isRelayOnly ? "relay" : "all" };
  }

  // Sound is decoded only where it is played.
  #show(track) {
    const element = document.createElement(track.kind);
    Object.assign(element, { autoplay: true, playsInline: true, srcObject: new MediaStream([track]) });
    document.getElementById("others").append(element);
  }
}

window.phone = new Phone();
window.onunhandledrejection = ({ reason }) => window.phone.faults.push(String(reason));
