import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app';
import { applyTheme, readTheme } from './state/kept';
import './style/tokens.css';
import './style/base.css';
import './style/frame.css';
import './style/requests.css';
import './style/drawer.css';
import './style/sql.css';

applyTheme(readTheme());
const root = document.getElementById('root');
if (root !== null) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
