// Round the request: timing, connection, trace.
import type { ReactNode } from 'react';
import type { Row, Value } from '../../api/types';
import { addNanoseconds, bytes, count, duration, plain } from '../../parts/format';
import { Problem } from '../../api/types';
import { Protocol, ProblemNote, Time, Unknown } from '../../parts/small';
import { quote } from '../../state/sql-text';
import { useSql } from '../../state/use-sql';
import { statusTone, type Narrow } from './list';
import { ends, listQuery, rowKeys } from './rows';

/** Other requests shown beside one. */
const NEIGHBOURS_MAX = 50;

interface FactProps {
  name: string;
  children?: ReactNode;
  title?: string;
}

function Fact({ name, children, title }: FactProps) {
  return (
    <tr>
      <th scope="row" title={title}>
        {name}
      </th>
      <td>{children === null || children === undefined ? <Unknown /> : children}</td>
    </tr>
  );
}

const known = (value: Value | undefined): ReactNode => (value === null || value === undefined ? null : plain(value));

export function Timing({ row }: { row: Row }) {
  const time = typeof row.time === 'string' ? row.time : null;
  const latency = typeof row.latency_ns === 'number' ? row.latency_ns : null;
  return (
    <>
      <table className="plain headers">
        <tbody>
          <Fact name="first request byte">{time === null ? null : <Time at={time} />}</Fact>
          <Fact name="last response byte">{time === null || latency === null ? null : <Time at={addNanoseconds(time, latency)} />}</Fact>
          <Fact name="latency" title="First byte of the request to last byte of the response, at this row's end">
            {latency === null ? null : (
              <>
                <strong>{duration(latency)}</strong> <span className="quiet">{count(latency)} ns</span>
              </>
            )}
          </Fact>
          <Fact name="measured at">{row.role === 'server' ? 'the server' : row.role === 'client' ? 'the client' : null}</Fact>
          <Fact name="how sure the row is">{known(row.confidence)}</Fact>
        </tbody>
      </table>
      {latency === null && <p className="quiet">Without a whole response there is no latency. It is unknown, not zero.</p>}
    </>
  );
}

function Filterable({ name, value, narrow }: { name: string; value: Value | undefined; narrow: Narrow }) {
  if (value === null || value === undefined) return <Unknown />;
  return (
    <button type="button" className="link" title="Click narrows, Alt-click excludes" onClick={(event) => narrow(name, String(value), event.altKey)}>
      {plain(value)}
    </button>
  );
}

export function Connection({ row, narrow, onOpen, name }: { row: Row; narrow: Narrow; onOpen: (key: string) => void; name: string }) {
  const { server, client, known: roles } = ends(row);
  const id = typeof row.connection_id === 'number' ? row.connection_id : null;
  const facts = useSql(id === null ? null : `SELECT * FROM connections WHERE connection_id = ${id} ORDER BY time DESC LIMIT 1`);
  const connection = facts.rows?.[0];
  return (
    <>
      <table className="plain headers">
        <tbody>
          <Fact name={roles ? 'server' : 'this end'}>
            {known(server.text)} <span className="quiet mono">{server.address}</span>
          </Fact>
          <Fact name={roles ? 'client' : 'other end'}>
            {known(client.text)} <span className="quiet mono">{client.address}</span>
          </Fact>
          <Fact name="connection">
            <Filterable name="connection" value={row.connection_id} narrow={narrow} />
          </Fact>
          <Fact name="encrypted">{row.encrypted === true ? 'yes' : row.encrypted === false ? 'no' : null}</Fact>
          <Fact name="process">
            <Filterable name="process" value={row.process_name} narrow={narrow} />
            {typeof row.pid === 'number' && <span className="quiet"> pid {row.pid}, thread {known(row.thread_id) ?? '–'}</span>}
          </Fact>
          <Fact name="service">
            <Filterable name="service" value={row.service} narrow={narrow} />
          </Fact>
          {typeof row.pod === 'string' && (
            <Fact name="pod">
              <Filterable name="pod" value={row.pod} narrow={narrow} /> <span className="quiet">in {known(row.namespace)}</span>
            </Fact>
          )}
          {typeof row.container_id === 'string' && <Fact name="container"><span className="mono">{row.container_id.slice(0, 12)}</span></Fact>}
          <Fact name="host">
            <Filterable name="host" value={row.host} narrow={narrow} />
          </Fact>
          {connection !== undefined && (
            <>
              <Fact name="opened">{typeof connection.opened_at === 'string' ? <Time at={connection.opened_at} /> : null}</Fact>
              <Fact name="closed">{typeof connection.closed_at === 'string' ? <Time at={connection.closed_at} /> : known(connection.state)}</Fact>
              <Fact name="sent / received">
                {bytes(connection.sent_bytes as number | null)} / {bytes(connection.received_bytes as number | null)}
              </Fact>
              <Fact name="round trip">{typeof connection.rtt_ns === 'number' ? duration(connection.rtt_ns) : null}</Fact>
              <Fact name="segments sent again">{known(connection.retransmits)}</Fact>
            </>
          )}
        </tbody>
      </table>
      {id !== null && (
        <>
          <h3>Requests on this connection</h3>
          <Neighbours query={listQuery([`connection_id = ${id}`], NEIGHBOURS_MAX)} name={name} onOpen={onOpen} />
        </>
      )}
    </>
  );
}

export function Trace({ row, name, onOpen }: { row: Row; name: string; onOpen: (key: string) => void }) {
  const trace = typeof row.trace_id === 'string' ? row.trace_id : null;
  if (trace === null) {
    return (
      <p className="quiet">
        This request names no trace. With a <code>traceparent</code> header (W3C Trace Context), the other requests of its trace would show here.
      </p>
    );
  }
  return (
    <>
      <table className="plain headers">
        <tbody>
          <Fact name="trace">
            <span className="mono">{trace}</span>
          </Fact>
          <Fact name="span">
            <span className="mono">{known(row.span_id)}</span>
          </Fact>
        </tbody>
      </table>
      <h3>Requests of this trace</h3>
      <Neighbours query={listQuery([`trace_id = ${quote(trace)}`], NEIGHBOURS_MAX)} name={name} onOpen={onOpen} />
    </>
  );
}

function Neighbours({ query, name, onOpen }: { query: string; name: string; onOpen: (key: string) => void }) {
  const { rows, problem } = useSql(query);
  if (problem instanceof Problem) return <ProblemNote problem={problem} />;
  if (rows === null) return <p className="quiet">Loading…</p>;
  const keys = rowKeys(rows);
  return (
    <table className="plain neighbours">
      <tbody>
        {rows.map((row, index) => {
          const key = keys[index] as string;
          return (
            <tr key={key} className={key === name ? 'open' : ''}>
              <td className="nowrap">
                <button type="button" className="link" onClick={() => onOpen(key)}>
                  <Time at={row.time} />
                </button>
              </td>
              <td>
                <Protocol name={typeof row.protocol === 'string' ? row.protocol : null} />
              </td>
              <td className="mono">
                {known(row.operation)} {known(row.target)}
              </td>
              <td className={statusTone(row)}>{known(row.status) ?? <Unknown />}</td>
              <td className="right">{duration(row.latency_ns as number | null)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
