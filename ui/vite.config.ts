import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// A running earshot or the mock (`npm run mock`): what `npm run dev` sends API requests to.
const api = process.env.EARSHOT_URL ?? 'http://127.0.0.1:7119';

export default defineConfig({
  plugins: [react()],
  build: {
    // Browsers that know light-dark(), which the colours are declared with.
    target: ['chrome123', 'firefox121', 'safari17.5'],
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: true,
  },
  server: { proxy: { '/api': api, '/healthz': api, '/readyz': api } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
