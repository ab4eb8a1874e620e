// Name, scope, time range, data-quality light, theme.
import { useState } from 'react';
import { add, SCOPE, without } from '../state/filters';
import { applyTheme, keep, readTheme, type Theme } from '../state/kept';
import { go } from '../state/location';
import type { View } from '../state/url';
import { Chips } from './chips';
import { MarkIcon, MoonIcon, PlusIcon, SunIcon, SystemIcon } from './icons';
import { Popover } from './popover';
import { QualityLight } from './quality-light';
import { RangePicker } from './range-picker';
import { ScopePicker } from './scope-picker';

export function TopBar({ view }: { view: View }) {
  const scope = view.filters.filter((filter) => SCOPE.includes(filter.name));
  // A query of one's own says its own time and scope: controls that change nothing are not shown.
  const scoped = view.page !== 'sql';
  return (
    <header className="top">
      <a
        className="brand"
        href="/requests"
        onClick={(event) => {
          event.preventDefault();
          go({ page: 'requests', open: null, tab: null });
        }}
      >
        <MarkIcon />
        earshot
      </a>
      {scoped && (
        <>
          <Chips filters={scope} onRemove={(name, value, exclude) => go({ filters: without(view.filters, name, value, exclude) })} />
          <Popover label={<><PlusIcon /> Scope</>} title="Narrow to a host, namespace, service or pod" className="button bare quiet">
            {(close) => (
              <ScopePicker
                view={view}
                choose={(name, value, exclude) => {
                  go({ filters: add(view.filters, name, value, exclude) });
                  close();
                }}
              />
            )}
          </Popover>
        </>
      )}
      <span className="spring" />
      {scoped && <RangePicker range={view.range} />}
      <QualityLight view={view} />
      <ThemeSwitch />
    </header>
  );
}

const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

function ThemeSwitch() {
  const [theme, setTheme] = useState(readTheme);
  const Icon = theme === 'system' ? SystemIcon : theme === 'light' ? SunIcon : MoonIcon;
  const change = () => {
    const next = NEXT[theme];
    keep('theme', next);
    applyTheme(next);
    setTheme(next);
  };
  const title = `Theme: ${theme === 'system' ? "the system's" : theme}. Click for ${NEXT[theme] === 'system' ? "the system's" : NEXT[theme]}.`;
  return (
    <button type="button" className="button bare" title={title} aria-label={title} onClick={change}>
      <Icon />
    </button>
  );
}
