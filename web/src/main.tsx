import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './style.css';

import { createTheme, MantineProvider, type MantineColorsTuple } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { BrowserRouter } from 'react-router';

import { Problem } from './api/client';
import { App } from './App';

const teal: MantineColorsTuple = ['#e6f7f5', '#cdeae6', '#9dd5ce', '#6abfb5', '#43ada0', '#2aa294', '#14776b', '#0f6a60', '#0b5c53', '#064d45'];
const slate: MantineColorsTuple = ['#dbe4e7', '#c3cfd4', '#9fb0b7', '#8296a0', '#3a4950', '#2a363c', '#1c262b', '#161e22', '#0f1518', '#0a0f11'];
// A list opens when it is asked for: by typing, an arrow, or a click. So Escape in a
// dialog shuts the dialog, unless a list was opened, which it shuts first. One where
// nothing fits says so, as Escape shuts that one too.
const list = { openOnFocus: false, nothingFoundMessage: 'Nothing fits' };
const theme = createTheme({
  primaryColor: 'hold',
  primaryShade: { light: 7, dark: 6 },
  colors: { hold: teal, dark: slate },
  fontSizes: { xs: '11px', sm: '13px', md: '13px' },
  defaultRadius: 5,
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif',
  components: { Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close this message' } } }, Menu: { defaultProps: { withInitialFocusPlaceholder: false, transitionProps: { duration: 0 } } }, Modal: { defaultProps: { closeButtonProps: { 'aria-label': 'Close this' } } }, TextInput: { defaultProps: { size: 'xs' } }, Select: { defaultProps: { size: 'xs', ...list } }, MultiSelect: { defaultProps: list }, PasswordInput: { defaultProps: { size: 'sm' } } },
});

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (n, error) => n < 2 && error instanceof Problem && (error.status === 0 || error.status >= 500),
    },
  },
});

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto">
        <QueryClientProvider client={client}>
          <BrowserRouter>
            <Notifications position="bottom-right" />
            <App />
          </BrowserRouter>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );
}
