import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// The server to develop against: a running `holdfast up`.
const server = process.env.HOLDFAST_URL ?? 'http://127.0.0.1:8440';

export default defineConfig({
  plugins: [react()],
  build: {
    // Not "assets": that is the name of a page.
    assetsDir: 'static',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    rollupOptions: {
      output: {
        manualChunks: (id: string) => {
          if (id.includes('node_modules/echarts') || id.includes('node_modules/zrender')) return 'chart';
          if (id.includes('node_modules/@mantine')) return 'mantine';
          if (id.includes('node_modules')) return 'base';
          return undefined;
        },
      },
    },
  },
  server: { proxy: { '/api': { target: server, changeOrigin: true }, '/ingest': { target: server, changeOrigin: true } } },
  test: { include: ['src/**/*.test.ts'] },
});
