// The WebRTC side of one call: perfect negotiation (W3C WebRTC 1.0, section 10.7) over `call_signal` frames.

export class Peer {
  // What went wrong, for whoever looks.
  faults = [];
  // The largest signal that was sent, in bytes of its text.
  largestSignal = 0;

  #connection;
  #tell;
  #isPolite;
  #tracks = [];
  #isOffering = false;
  #ignoresOffer = false;
  // Signals are taken one after the other, in the order in which they came.
  #turn = Promise.resolve();

  // `tell` sends a signal. Of two offers that cross, the polite side takes its own back.
  constructor({ configuration, isPolite, tell, onTrack }) {
    this.#tell = tell;
    this.#isPolite = isPolite;
    this.#connection = new RTCPeerConnection(configuration);
    this.#connection.ontrack = ({ track }) => onTrack(track);
    this.#connection.onicecandidate = ({ candidate }) => this.#tellCandidate(candidate);
    this.#connection.onnegotiationneeded = () => this.#guard(this.#offer());
    this.#connection.oniceconnectionstatechange = () => {
      if (this.#connection.iceConnectionState === "failed") this.#connection.restartIce();
    };
  }

  get state() {
    return this.#connection.connectionState;
  }

  // Sends these tracks, from the first offer of the other side on: so that one negotiation is enough for both.
  sendWhenOffered(stream) {
    this.#tracks = stream.getTracks().map((track) => [track, stream]);
  }

  // Sends these tracks from now on, which makes an offer. Resolves to what `stop` takes.
  send(stream) {
    return Promise.all(stream.getTracks().map((track) => this.#sendTrack(track, stream)));
  }

  // Sends these no more, which makes an offer.
  stop(senders) {
    for (const sender of senders) this.#connection.removeTrack(sender);
  }

  take(signal) {
    this.#turn = this.#turn.then(() => this.#guard(this.#apply(signal)));
  }

  close() {
    this.#connection.close();
  }

  // Frames decoded of each video that comes in, by its place in the session description, and the kinds of the two
  // candidates that carry the call: host, srflx, prflx or relay.
  async look() {
    const stats = await this.#connection.getStats();
    const seen = { frames: {}, samples: 0, route: null };
    for (const report of stats.values()) {
      if (report.type === "inbound-rtp" && report.kind === "video") seen.frames[report.mid] = report.framesDecoded ?? 0;
      if (report.type === "inbound-rtp" && report.kind === "audio") seen.samples += report.totalSamplesReceived ?? 0;
      if (report.type === "transport" && report.selectedCandidatePairId) {
        const pair = stats.get(report.selectedCandidatePairId);
        const kind = (id) => stats.get(id)?.candidateType ?? "unknown";
        seen.route = { own: kind(pair.localCandidateId), other: kind(pair.remoteCandidateId) };
      }
    }
    return seen;
  }

  // In the place of a track that is sent no more, if there is one: each place makes every later offer longer.
  async #sendTrack(track, stream) {
    const isFree = ({ sender, receiver, direction }) =>
      !sender.track && receiver.track.kind === track.kind && direction !== "stopped";
    const place = this.#connection.getTransceivers().find(isFree);
    if (!place) return this.#connection.addTrack(track, stream);
    place.direction = "sendrecv";
    place.sender.setStreams(stream);
    await place.sender.replaceTrack(track);
    return place.sender;
  }

  async #offer() {
    try {
      this.#isOffering = true;
      await this.#connection.setLocalDescription();
      await this.#tellDescription();
    } finally {
      this.#isOffering = false;
    }
  }

  async #apply(signal) {
    if (signal.ice) return this.#applyCandidate(signal.ice);
    if (signal.hangup) return this.close();
    const description =
      signal.offer === undefined ? { type: "answer", sdp: signal.answer } : { type: "offer", sdp: signal.offer };
    const isCrossed =
      description.type === "offer" && (this.#isOffering || this.#connection.signalingState !== "stable");
    this.#ignoresOffer = isCrossed && !this.#isPolite;
    if (this.#ignoresOffer) return;
    await this.#connection.setRemoteDescription(description);
    if (description.type === "answer") return;
    for (const [track, stream] of this.#tracks.splice(0)) await this.#sendTrack(track, stream);
    await this.#connection.setLocalDescription();
    await this.#tellDescription();
  }

  async #applyCandidate(ice) {
    const candidate = {
      candidate: ice.candidate ?? "",
      sdpMid: ice.sdp_mid,
      sdpMLineIndex: ice.sdp_m_line_index,
      usernameFragment: ice.username_fragment,
    };
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch (error) {
      // Candidates of an offer that was ignored mean nothing here.
      if (!this.#ignoresOffer) throw error;
    }
  }

  #tellDescription() {
    const { type, sdp } = this.#connection.localDescription;
    return this.#send({ [type]: sdp });
  }

  #tellCandidate(candidate) {
    // Null says that gathering is over, which an empty candidate has said before.
    if (!candidate) return;
    const ice = {
      candidate: candidate.candidate,
      sdp_mid: candidate.sdpMid ?? "",
      sdp_m_line_index: candidate.sdpMLineIndex ?? undefined,
      username_fragment: candidate.usernameFragment ?? "",
    };
    this.#guard(this.#send({ ice }));
  }

  #send(signal) {
    this.largestSignal = Math.max(this.largestSignal, JSON.stringify(signal).length);
    return this.#tell(signal);
  }

  async #guard(work) {
    try {
      await work;
    } catch (error) {
      this.faults.push(String(error));
    }
  }
}
