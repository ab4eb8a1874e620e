// The frame: top bar, left rail, and the view that the URL names.
import { Component, lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { setToken, tokenAsked } from './api/client';
import { Problem } from './api/types';
import { QualityIcon, RequestsIcon, SqlIcon } from './parts/icons';
import { ProblemNote } from './parts/small';
import { TopBar } from './parts/top-bar';
import { go, linkTo, useView } from './state/location';
import type { Page, View } from './state/url';
import { QualityView } from './views/quality';
import { RequestsView } from './views/requests';

// The editor is half of the page's weight: loaded when it is first wanted.
const SqlView = lazy(() => import('./views/sql'));

const PAGES: { page: Page; label: string; icon: () => ReactNode }[] = [
  { page: 'requests', label: 'Requests', icon: RequestsIcon },
  { page: 'sql', label: 'SQL', icon: SqlIcon },
  { page: 'quality', label: 'Data quality', icon: QualityIcon },
];

export function App() {
  const view = useView();
  const label = PAGES.find((entry) => entry.page === view.page)?.label ?? '';
  useEffect(() => {
    document.title = `${label} · earshot`;
  }, [label]);
  return (
    <div className="frame">
      <TopBar view={view} />
      <nav className="rail" aria-label="Views">
        {PAGES.map(({ page, label, icon: Icon }) => (
          <a
            key={page}
            href={linkTo(view, leaving(page))}
            aria-current={page === view.page ? 'page' : undefined}
            onClick={(event) => {
              if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
              event.preventDefault();
              go(leaving(page));
            }}
          >
            <Icon />
            <span>{label}</span>
          </a>
        ))}
      </nav>
      <div className="view">
        <TokenGate>
          <Guard key={view.page}>
            <Suspense fallback={<p className="note quiet">Loading…</p>}>
              {view.page === 'requests' && <RequestsView view={view} />}
              {view.page === 'sql' && <SqlView view={view} />}
              {view.page === 'quality' && <QualityView view={view} />}
            </Suspense>
          </Guard>
        </TokenGate>
      </div>
    </div>
  );
}

/** Scope, range and filters go along to another page; what is open there does not. */
function leaving(page: Page): Partial<View> {
  return { page, open: null, tab: null };
}

/** A view that fails must not take the frame with it. */
class Guard extends Component<{ children: ReactNode }, { error: unknown }> {
  state = { error: null as unknown };
  static getDerivedStateFromError(error: unknown) {
    return { error };
  }
  render() {
    if (this.state.error === null) return this.props.children;
    const problem = new Problem('this view failed', 0, String(this.state.error), 'Reload the page; if it fails again, the link in the address bar shows how.');
    return <ProblemNote problem={problem} again={() => window.location.reload()} />;
  }
}

function TokenGate({ children }: { children: ReactNode }) {
  const [asked, setAsked] = useState(false);
  const [token, setTyped] = useState('');
  useEffect(() => {
    const ask = () => setAsked(true);
    tokenAsked.addEventListener('asked', ask);
    return () => tokenAsked.removeEventListener('asked', ask);
  }, []);
  if (!asked) return children;
  return (
    <form
      className="note"
      onSubmit={(event) => {
        event.preventDefault();
        setToken(token);
        window.location.reload();
      }}
    >
      <strong>This earshot asks for a token</strong>
      <p>It is the one that earshot was started with. It stays in this browser tab only.</p>
      <input type="password" aria-label="Token" autoComplete="off" value={token} onChange={(event) => setTyped(event.target.value)} />
      <button type="submit" className="button">
        Go on
      </button>
    </form>
  );
}
