// The catalogue, loaded once and shared.
import { useEffect, useState } from 'react';
import { tables as load } from '../api/client';
import type { Problem, Table } from '../api/types';
import { asProblem } from './use-sql';

let loading: Promise<Table[]> | null = null;

export function useTables(): { tables: Table[] | null; problem: Problem | null } {
  const [state, setState] = useState<{ tables: Table[] | null; problem: Problem | null }>({ tables: null, problem: null });
  useEffect(() => {
    let here = true;
    loading ??= load();
    loading.then(
      (tables) => here && setState({ tables, problem: null }),
      (error: unknown) => {
        loading = null;
        if (here) setState({ tables: null, problem: asProblem(error) });
      },
    );
    return () => {
      here = false;
    };
  }, []);
  return state;
}
