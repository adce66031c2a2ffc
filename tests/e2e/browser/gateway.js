// What a call needs of a gateway: REST, and the WebSocket in JSON.

export class Gateway {
  #address;
  #token;
  #socket;
  #lastId = 0;
  #waiting = new Map();
  #listeners = [];

  // `address` such as https://chat.example.org.
  constructor(address, token) {
    this.#address = address;
    this.#token = token;
  }

  // Resolves to the `connected` frame.
  connect() {
    const url = `${this.#address.replace(/^http/, "ws")}/ws/me`;
    // A page cannot set headers of a WebSocket: the token goes among the subprotocols.
    this.#socket = new WebSocket(url, ["godwit.v1.json", `bearer.${this.#token}`]);
    return new Promise((resolve, reject) => {
      this.#socket.onclose = (event) => reject(new Error(`the socket was closed: ${event.code}`));
      this.#socket.onmessage = (event) => {
        const frame = JSON.parse(event.data);
        if (frame.connected) resolve(frame.connected);
        this.#take(frame);
      };
    });
  }

  // `listener` gets every frame that answers nothing.
  listen(listener) {
    this.#listeners.push(listener);
  }

  // Sends a frame. Resolves when it was taken, rejects with the reason when it was refused.
  say(content) {
    this.#lastId += 1;
    const id = String(this.#lastId);
    this.#socket.send(JSON.stringify({ id, ...content }));
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  async rest(method, path, body) {
    const headers = { authorization: `Bearer ${this.#token}` };
    if (body) headers["content-type"] = "application/json";
    const answer = await fetch(this.#address + path, { method, headers, body: body && JSON.stringify(body) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${told.reason}`);
    return told;
  }

  #take(frame) {
    if (frame.ping) {
      this.#socket.send(JSON.stringify({ pong: {} }));
      return;
    }
    const waiting = this.#waiting.get(frame.id);
    if (!waiting) {
      for (const listener of this.#listeners) listener(frame);
      return;
    }
    this.#waiting.delete(frame.id);
    if (frame.error) waiting.reject(new Error(`${frame.error.reason}: ${frame.error.detail}`));
    else waiting.resolve(frame);
  }
}
