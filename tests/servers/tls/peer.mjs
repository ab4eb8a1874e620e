// HTTPS in Node, whose OpenSSL is linked statically, for the tests.
//
//     serve PORT CERT KEY              https
//     serve2 PORT CERT KEY             http2
//     client URL CA COUNT PAUSE_MS     https, requests on one connection; what was asked and answered is a line each:
//                                      METHOD PATH STATUS SENT RECEIVED, separated by tabs
//     client2 URL CA COUNT PAUSE_MS    the same by http2
import fs from "node:fs";
import http2 from "node:http2";
import https from "node:https";
import { setTimeout as pause } from "node:timers/promises";

const [what, at, ...rest] = process.argv.slice(2);

async function text(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts).toString();
}

async function answer(request, response) {
  const sent = await text(request);
  const body = sent || `answer to ${request.url}`;
  const status = Number(/status=(\d+)/.exec(request.url)?.[1] ?? 200);
  response.writeHead(status, { "content-type": "text/plain", "content-length": Buffer.byteLength(body) });
  response.end(body);
}

function serve(create) {
  const tls = { cert: fs.readFileSync(rest[0]), key: fs.readFileSync(rest[1]) };
  create(tls, answer).listen(Number(at), "127.0.0.1", () => console.log("listening"));
}

function by_https(url, ca) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca });
  const ask = (method, path, sent) =>
    new Promise((done, failed) => {
      const request = https.request(url + path, { method, agent }, async (response) => done([response.statusCode, await text(response)]));
      if (sent) request.setHeader("content-length", Buffer.byteLength(sent));
      request.on("error", failed).end(sent || undefined);
    });
  return [ask, () => agent.destroy()];
}

function by_http2(url, ca) {
  const session = http2.connect(url, { ca });
  const ask = (method, path, sent) =>
    new Promise((done, failed) => {
      const stream = session.request({ ":method": method, ":path": path }, { endStream: !sent }).on("error", failed);
      stream.on("response", async (headers) => done([headers[":status"], await text(stream)]));
      if (sent) stream.end(sent);
    });
  return [ask, () => session.close()];
}

async function client(open) {
  const [ask, close] = open(at, fs.readFileSync(rest[0]));
  for (let i = 0; i < Number(rest[1]); i++) {
    const [method, sent] = i % 4 === 3 ? ["POST", `sent ${i}`] : ["GET", ""];
    const path = `/${i}?status=${[200, 404, 500][i % 3]}`;
    const [status, received] = await ask(method, path, sent);
    console.log([method, path, status, sent, received].join("\t"));
    await pause(Number(rest[2]));
  }
  close();
}

if (what === "serve") serve(https.createServer);
else if (what === "serve2") serve(http2.createSecureServer);
else await client(what === "client2" ? by_http2 : by_https);
