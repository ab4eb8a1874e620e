// Ties ui/dist to the sources that it was built from.
//   write: writes dist/manifest-sources.json after a build
//   check: builds again elsewhere and fails when dist is not what the sources give
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const ui = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(ui, 'dist');
const NAME = 'manifest-sources.json';
/** What the built page depends on; tests do not change it. */
const SOURCES = ['index.html', 'package.json', 'package-lock.json', 'tsconfig.json', 'vite.config.ts', 'public', 'src'];

function files(path) {
  const entries = readdirSync(path, { withFileTypes: true });
  return entries.flatMap((entry) => (entry.isDirectory() ? files(join(path, entry.name)) : [join(path, entry.name)]));
}

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

function hashes(folder, paths) {
  const named = paths.map((path) => [relative(folder, path).split(sep).join('/'), hash(readFileSync(path))]);
  return Object.fromEntries(named.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function sourcesHash() {
  const paths = SOURCES.flatMap((name) => (name.includes('.') ? [join(ui, name)] : files(join(ui, name)))).filter((path) => !/\.test\.tsx?$/.test(path));
  const listed = hashes(ui, paths);
  return hash(Object.entries(listed).map(([name, sum]) => `${sum}  ${name}\n`).join(''));
}

const built = (folder) => hashes(folder, files(folder).filter((path) => !path.endsWith(NAME)));

function write() {
  const manifest = { sources_sha256: sourcesHash(), files_sha256: built(dist) };
  writeFileSync(join(dist, NAME), JSON.stringify(manifest, null, 2) + '\n');
}

function check() {
  const manifest = JSON.parse(readFileSync(join(dist, NAME), 'utf8'));
  const wrong = [];
  if (manifest.sources_sha256 !== sourcesHash()) wrong.push('the sources have changed since dist was built');
  const again = mkdtempSync(join(tmpdir(), 'earshot-ui-'));
  try {
    execFileSync(process.execPath, [join(ui, 'node_modules/vite/bin/vite.js'), 'build', '--outDir', again, '--emptyOutDir', '--logLevel', 'warn'], { cwd: ui, stdio: 'inherit' });
    const fresh = built(again);
    const kept = built(dist);
    for (const name of new Set([...Object.keys(fresh), ...Object.keys(kept)])) {
      if (fresh[name] !== kept[name]) wrong.push(`dist/${name} ${kept[name] === undefined ? 'is missing' : fresh[name] === undefined ? 'is not built any more' : 'differs'}`);
      if (kept[name] !== manifest.files_sha256[name]) wrong.push(`dist/${name} is not what its manifest says`);
    }
  } finally {
    rmSync(again, { recursive: true, force: true });
  }
  if (wrong.length > 0) {
    console.error(wrong.join('\n'));
    console.error('run: npm ci && npm run build, and commit ui/dist');
    process.exit(1);
  }
  console.log('dist is what the sources give');
}

if (process.argv[2] === 'write') write();
else if (process.argv[2] === 'check') check();
else {
  console.error('usage: manifest.mjs write|check');
  process.exit(2);
}
