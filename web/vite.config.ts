import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    assetsDir: 'static', // /assets is a page
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rollupOptions: {
      output: { manualChunks: { echarts: ['echarts/core', 'echarts/charts', 'echarts/components', 'echarts/renderers'], mantine: ['@mantine/core', '@mantine/hooks'] } },
    },
  },
  test: { include: ['src/**/*.test.ts'] },
});
