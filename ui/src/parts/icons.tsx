// The few signs that the page uses, drawn with one stroke width.
import type { ReactNode } from 'react';

const icon = (path: ReactNode) =>
  function Icon() {
    return (
      <svg className="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        {path}
      </svg>
    );
  };

export const RequestsIcon = icon(<path d="M2 4h12M2 8h9M2 12h6" />);
export const SqlIcon = icon(<path d="M2.5 4.5 6 8l-3.5 3.5M8 12h5.5" />);
export const QualityIcon = icon(<path d="M2 8h2.5l1.5-4 3 8 1.5-4H14" />);
export const CloseIcon = icon(<path d="m4 4 8 8M12 4l-8 8" />);
export const RefreshIcon = icon(<path d="M13 8a5 5 0 1 1-1.5-3.6M13 2v3h-3" />);
export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1 1M11.6 11.6l1 1M12.6 3.4l-1 1M4.4 11.6l-1 1" />
  </>,
);
export const MoonIcon = icon(<path d="M13 9.5A5.5 5.5 0 0 1 6.5 3a5.5 5.5 0 1 0 6.5 6.5Z" />);
export const SystemIcon = icon(
  <>
    <circle cx="8" cy="8" r="5.5" />
    <path d="M8 2.5v11" />
    <path d="M8 2.5a5.5 5.5 0 0 1 0 11Z" fill="currentColor" />
  </>,
);
export const MarkIcon = icon(<path d="M1.5 8.5h2.5l2-5.5 3 10 2.2-6.5 1 2h2.3" />);
export const LockIcon = icon(
  <>
    <rect x="3.5" y="7" width="9" height="6.5" rx="1" />
    <path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2" />
  </>,
);
export const ChevronIcon = icon(<path d="m6 4 4 4-4 4" />);
export const PlusIcon = icon(<path d="M8 3.5v9M3.5 8h9" />);
