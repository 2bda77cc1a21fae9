import '@mantine/core/styles.css';
import './style.css';
import { createTheme, MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';
import { App } from './app';

const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={createTheme({ primaryColor: 'blue', defaultRadius: 'sm', fontFamily: 'system-ui, sans-serif', focusRing: 'always' })} defaultColorScheme="auto">
        <QueryClientProvider client={new QueryClient()}>
          <BrowserRouter><App /></BrowserRouter>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
