// burn SECONDS: as burn.c.
let sink = 0;
function spin(n) {
  let v = n;
  for (; n; n--) v = (Math.imul(v, 1664525) + n) | 0;
  return v;
}
function inner(n) {
  sink ^= spin(n);
}
function alpha(n) {
  inner(n);
  sink++;
}
function beta(n) {
  sink ^= spin(n);
}
function cpuNs() {
  const used = process.cpuUsage();
  return (used.user + used.system) * 1000;
}

const end = Number(process.argv[2]) * 1e9;
let r = 1;
while (cpuNs() < end) {
  r = (Math.imul(r, 1103515245) + 12345) >>> 0;
  const part = 40000 + ((r >>> 8) % 160000);
  alpha(7 * part);
  beta(3 * part);
}
console.log(`pid ${process.pid}\ncpu ${cpuNs()}`);
