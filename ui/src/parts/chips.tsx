// The filters in force, one chip a value; × widens again.
import { CloseIcon } from './icons';
import { SUBJECTS, type Filter } from '../state/filters';

interface Props {
  filters: Filter[];
  onRemove: (name: string, value: string, exclude: boolean) => void;
}

export function Chips({ filters, onRemove }: Props) {
  return filters.flatMap((filter) =>
    filter.values.map((value) => {
      const label = SUBJECTS[filter.name]?.label ?? filter.name;
      const shown = value === '' ? 'unknown' : value;
      return (
        <span key={`${filter.exclude}${filter.name}=${value}`} className={`chip${filter.exclude ? ' exclude' : ''}`} title={`${label} ${filter.exclude ? 'is not' : 'is'} ${shown}`}>
          <span className="name">
            {label}
            {filter.exclude ? ' not' : ''}
          </span>
          <span className="cut">{shown}</span>
          <button type="button" aria-label={`Remove ${label} ${shown}`} onClick={() => onRemove(filter.name, value, filter.exclude)}>
            <CloseIcon />
          </button>
        </span>
      );
    }),
  );
}
