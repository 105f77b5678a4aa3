// A participant made of @roamhq/wrtc (libwebrtc without a browser): a small moving picture and a tone go out, frames are
// counted for each seat. Cheap enough that several fit beside real browsers on two cores.
import wrtc from "@roamhq/wrtc";

const [WIDTH, HEIGHT] = [160, 96];

export class NativePeer {
  /** person: a connected Person who is in `call`; seats: how many others can be seen and heard at once. */
  constructor(person, call, { seats = 9, fps = 10 } = {}) {
    Object.assign(this, { person, call, seats, fps });
    this.frames = new Map(); // MID of a video seat -> frames decoded
  }

  /** Opens the media, or opens it anew after close(). */
  async open() {
    const pc = (this.pc = new wrtc.RTCPeerConnection());
    const video = new wrtc.nonstandard.RTCVideoSource();
    const audio = new wrtc.nonstandard.RTCAudioSource();
    this.sinks = [];
    this.frames.clear();
    pc.addTransceiver(audio.createTrack(), { direction: "sendonly" });
    pc.addTransceiver(video.createTrack(), { direction: "sendonly" });
    for (let i = 0; i < this.seats; i++) {
      pc.addTransceiver("audio", { direction: "recvonly" });
      const seat = pc.addTransceiver("video", { direction: "recvonly" });
      const sink = new wrtc.nonstandard.RTCVideoSink(seat.receiver.track);
      sink.onframe = () => this.frames.set(seat.mid, (this.frames.get(seat.mid) ?? 0) + 1);
      this.sinks.push(sink);
    }
    let n = 0;
    const picture = new Uint8ClampedArray(WIDTH * HEIGHT * 1.5);
    this.camera = setInterval(() => {
      n++;
      for (let i = 0; i < WIDTH * HEIGHT; i++) picture[i] = (i + n * 5) & 255;
      picture.fill((n * 3) & 255, WIDTH * HEIGHT);
      video.onFrame({ width: WIDTH, height: HEIGHT, data: picture });
    }, 1000 / this.fps);
    let t = 0;
    this.microphone = setInterval(() => {
      const samples = new Int16Array(480);
      for (let i = 0; i < 480; i++) samples[i] = 6000 * Math.sin((2 * Math.PI * 330 * t++) / 48000);
      audio.onData({ samples, sampleRate: 48000, bitsPerSample: 16, channelCount: 1, numberOfFrames: 480 });
    }, 10);
    await pc.setLocalDescription(await pc.createOffer());
    const answer = await this.person.must("POST", `/calls/${this.call.id}/media`, pc.localDescription.sdp, { type: "application/sdp" });
    await pc.setRemoteDescription({ type: "answer", sdp: answer.text });
  }

  /** Frames seen of each person so far: a Map of user id -> frames, by the seats that the server told last. */
  seen() {
    const { seats } = this.person.events.findLast((e) => e.type === "seats" && e.call_id === this.call.id) ?? { seats: [] };
    const out = new Map();
    for (const seat of seats) if (seat.member && seat.kind === "camera") out.set(seat.member, this.frames.get(seat.mid) ?? 0);
    return out;
  }

  close() {
    clearInterval(this.camera);
    clearInterval(this.microphone);
    for (const sink of this.sinks ?? []) sink.stop();
    this.pc?.close();
    this.pc = null;
  }
}
