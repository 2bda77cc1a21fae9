import { Checkbox, Menu } from '@mantine/core';
import { IconArrowDown, IconArrowLeft, IconArrowRight, IconArrowUp, IconTrash } from '@tabler/icons-react';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import { memo, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent, type RefObject } from 'react';

import { AboutEvent, type About } from '../../components/about';
import { plain } from '../../components/text';
import { Clock, Outside } from '../../components/Text';
import { ValueMenu } from '../../components/Value';
import { Detail } from './Detail';
import { Grip } from './Grip';
import { titles, type Event } from './row';
import type { Sort } from './state';
import { beyond, Placed, withCurrent } from './virtual';
import { useWidths, type Widths } from './widths';

interface Props {
  events: Event[];
  cols: string[];
  ecs: ReadonlyMap<string, string[]>;
  sort: Sort | null;
  open: readonly string[];
  chosen: ReadonlySet<string>;
  aboutOf: (e: Event) => About;
  onOpen: (id: string) => void;
  onChoose: (id: string) => void;
  onSort: (by: string, desc: boolean) => void;
  onCols: (cols: string[]) => void;
}

/** Where one menu for all cells stands. */
interface Spot { field: string; text: string; event: Event; rect: DOMRect; from: HTMLElement }

const high = 29; // of a row, before it is measured

/** The events, one a row; only those near what is seen are drawn. j and k move, Enter opens, x chooses; Tab reaches everything else. */
export function Events(props: Props) {
  const { events, cols, ecs, open, chosen, aboutOf } = props;
  const [at, setAt] = useState(0);
  const [spot, setSpot] = useState<Spot>();
  const [widths, setWidth] = useWidths();
  const body = useRef<HTMLTableElement>(null);
  const wanted = useRef(false); // the current row is to have the focus once it is drawn
  const current = Math.min(at, Math.max(events.length - 1, 0));
  // An event that is open is two rows: itself, and all of it below.
  const lines = useMemo(() => events.flatMap((event, i) => (open.includes(event.id) ? [{ event, i, all: false }, { event, i, all: true }] : [{ event, i, all: false }])), [events, open]);
  const place = useMemo(() => lines.findIndex((l) => l.i === current), [lines, current]);
  const { top, wide } = usePlace(body);
  const shown = useWindowVirtualizer<HTMLTableRowElement>({
    count: lines.length,
    estimateSize: (n) => (lines[n]?.all ? 360 : high),
    getItemKey: (n) => `${lines[n]?.event.id ?? n}${lines[n]?.all ? ' all' : ''}`,
    rangeExtractor: useMemo(() => withCurrent(place), [place]),
    overscan: beyond,
    scrollMargin: top,
  });
  useEffect(() => {
    const go = (e: globalThis.KeyboardEvent) => { // from anywhere on the page but where text is written
      const on = e.target as HTMLElement;
      if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) || document.querySelector('[role=dialog],[role=menu]')) return;
      if (body.current?.contains(on) || !['j', 'k'].includes(e.key)) return;
      e.preventDefault();
      body.current?.querySelector<HTMLElement>('tr[tabindex="0"]')?.focus();
    };
    window.addEventListener('keydown', go);
    return () => window.removeEventListener('keydown', go);
  }, []);
  const look = () => {
    const row = body.current?.querySelector<HTMLElement>(`tr[data-row="${current}"]`);
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: 'nearest' });
  };
  useLayoutEffect(() => {
    if (wanted.current) look();
    wanted.current = false;
  });
  const move = (to: number) => {
    const next = Math.min(Math.max(to, 0), events.length - 1);
    if (next === current) look();
    wanted.current = next !== current;
    setAt(next);
  };
  const onKeyDown = (e: KeyboardEvent<HTMLTableElement>) => {
    const on = e.target as HTMLElement;
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(on.tagName) && (on as HTMLInputElement).type !== 'checkbox') return;
    const event = events[current];
    if (!event) return;
    if (e.key === 'j' || (e.key === 'ArrowDown' && on.dataset.row !== undefined)) move(current + 1);
    else if (e.key === 'k' || (e.key === 'ArrowUp' && on.dataset.row !== undefined)) move(current - 1);
    else if (e.key === 'PageDown' && on.dataset.row !== undefined) move(current + 20);
    else if (e.key === 'PageUp' && on.dataset.row !== undefined) move(current - 20);
    else if (e.key === 'Home' && on.dataset.row !== undefined) move(0);
    else if (e.key === 'End' && on.dataset.row !== undefined) move(events.length - 1);
    else if (e.key === 'Enter' && on.dataset.row !== undefined) props.onOpen(event.id);
    else if (e.key === 'x') props.onChoose(event.id);
    else return;
    e.preventDefault();
  };
  const onCell = (e: MouseEvent<HTMLElement>, event: Event, field: string, text: string) => {
    setSpot({ field, text, event, rect: e.currentTarget.getBoundingClientRect(), from: e.currentTarget });
  };
  const layout = layoutOf(cols, widths);
  const span = cols.length + 2;
  return (
    <>
      <div className={layout.least > wide ? 'sideways' : undefined}>
      <table className="events" ref={body} onKeyDown={onKeyDown} aria-label="Events" aria-rowcount={lines.length + 1} style={{ width: layout.taken ? layout.least : '100%', minWidth: layout.least }}>
        <colgroup>
          <col style={{ width: tools }} />
          {['time', ...cols].map((c) => <col key={c} style={layout.of(c) === undefined ? {} : { width: layout.of(c) }} />)}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            <th><span className="hide">Choose and open</span></th>
            {['time', ...cols].map((c) => <Head key={c} name={c} width={widths.get(c)} onWidth={setWidth} {...props} />)}
          </tr>
        </thead>
        <tbody>
          <Placed items={shown.getVirtualItems()} total={shown.getTotalSize()} start={top} span={span}>
            {({ index }) => {
              const line = lines[index];
              if (!line) return null;
              const { event, i, all } = line;
              if (all) {
                return (
                  <tr className="event" ref={shown.measureElement} data-index={index} aria-rowindex={index + 2}>
                    <td colSpan={span}><Detail event={event} about={aboutOf(event)} /></td>
                  </tr>
                );
              }
              return (
                <Row
                  event={event} i={i} index={index} measure={shown.measureElement} cols={cols} ecs={ecs} isOpen={lines[index + 1]?.all === true} isAt={i === current} isChosen={chosen.has(event.id)}
                  onAt={setAt} onOpen={props.onOpen} onChoose={props.onChoose} onCell={onCell}
                />
              );
            }}
          </Placed>
        </tbody>
      </table>
      </div>
      {spot && (
        <AboutEvent.Provider value={aboutOf(spot.event)}>
          <Menu
            opened
            onChange={(stays) => {
              if (stays) return;
              setSpot(undefined);
              spot.from.focus();
            }}
            position="bottom-start" withinPortal shadow="md" width={270}
          >
            <Menu.Target>
              <span aria-hidden style={{ position: 'fixed', left: spot.rect.left, top: spot.rect.top, width: Math.min(spot.rect.width, 260), height: spot.rect.height, pointerEvents: 'none' }} />
            </Menu.Target>
            <ValueMenu field={spot.field} text={spot.text} />
          </Menu>
        </AboutEvent.Provider>
      )}
    </>
  );
}

/** Where the rows of a table begin on the page, and how much room is beside them. */
function usePlace(table: RefObject<HTMLTableElement | null>): { top: number; wide: number } {
  const [place, setPlace] = useState({ top: 0, wide: Infinity });
  useLayoutEffect(() => {
    const look = () => {
      const on = table.current?.tBodies[0];
      if (!on) return;
      const top = Math.round(on.getBoundingClientRect().top + window.scrollY);
      const wide = table.current?.parentElement?.clientWidth ?? Infinity;
      setPlace((old) => (old.top === top && old.wide === wide ? old : { top, wide }));
    };
    look();
    const seen = new ResizeObserver(look); // what stands above grows, or the window changes
    seen.observe(document.body);
    return () => seen.disconnect();
  }, [table]);
  return place;
}

const tools = 58;
const usualWidth: Partial<Record<string, number>> = { time: 152, dataset: 128, 'host.name': 128 };

/** The width of each column; one without takes what room is left, at least so much. */
function layoutOf(cols: string[], widths: Widths): { of: (name: string) => number | undefined; least: number; taken: boolean } {
  const rest = cols.includes('raw');
  const of = (name: string) => widths.get(name) ?? usualWidth[name] ?? (rest && name !== 'raw' ? 140 : undefined);
  const all = ['time', ...cols].map((c) => [c, of(c)] as const);
  return {
    of,
    least: tools + all.reduce((sum, [c, w]) => sum + (w ?? (c === 'raw' ? 260 : 90)), 0),
    taken: all.every(([, w]) => w !== undefined),
  };
}

interface RowProps {
  event: Event;
  i: number;
  index: number;
  measure: (row: HTMLTableRowElement | null) => void;
  cols: string[];
  ecs: ReadonlyMap<string, string[]>;
  isOpen: boolean;
  isAt: boolean;
  isChosen: boolean;
  onAt: (i: number) => void;
  onOpen: (id: string) => void;
  onChoose: (id: string) => void;
  onCell: (e: MouseEvent<HTMLElement>, event: Event, field: string, text: string) => void;
}

const same: (keyof RowProps)[] = ['event', 'i', 'index', 'cols', 'ecs', 'isOpen', 'isAt', 'isChosen'];

const Row = memo(
  function Row({ event, i, index, measure, cols, ecs, isOpen, isAt, isChosen, onAt, onOpen, onChoose, onCell }: RowProps) {
    return (
      <tr className={`hit${isAt ? ' at' : ''}${isChosen ? ' chosen' : ''}`} data-row={i} ref={measure} data-index={index} aria-rowindex={index + 2} tabIndex={isAt ? 0 : -1} aria-label={`Event ${i + 1}, ${event.time}, ${event.text('dataset')}`} onFocus={() => onAt(i)}>
        <td><div className="row-tools">
          <Checkbox size="xs" aria-label="Choose this event" checked={isChosen} onChange={() => onChoose(event.id)} tabIndex={isAt ? 0 : -1} />
          <button type="button" className="tiny" aria-expanded={isOpen} aria-label="Show the whole event" tabIndex={isAt ? 0 : -1} onClick={() => onOpen(event.id)}>{isOpen ? '−' : '+'}</button>
        </div></td>
        <td className="nowrap"><Clock at={event.time} /></td>
        {cols.map((c) => {
          const text = plain(event.value(c, ecs));
          if (c === 'raw') return <td key={c} className="mono one" onClick={() => onOpen(event.id)}><Line of={event.line()} /></td>;
          return (
            <td key={c} className="one">
              {text === '' ? <span className="dim">–</span> : <button type="button" className="value clip" tabIndex={isAt ? 0 : -1} title={text.slice(0, 500)} aria-haspopup="menu" onClick={(e) => onCell(e, event, c, text)}><Outside text={text.slice(0, 200)} /></button>}
            </td>
          );
        })}
      </tr>
    );
  },
  (a, b) => same.every((k) => a[k] === b[k]),
);

function Line({ of }: { of: ReturnType<Event['line']> }) {
  if (typeof of === 'string') return <Outside text={of} />;
  return of.map(({ name, value }, i) => <span key={i} className="pair"><i><Outside text={name} />=</i><Outside text={value} /> </span>);
}

function Head({ name, cols, sort, onSort, onCols, width, onWidth }: { name: string; width: number | undefined; onWidth: (name: string, px: number | undefined) => void } & Pick<Props, 'cols' | 'sort' | 'onSort' | 'onCols'>) {
  const by = sort?.by === name ? sort : null;
  const at = cols.indexOf(name);
  const swap = (to: number) => {
    const next = cols.slice();
    next.splice(at, 1);
    next.splice(to, 0, name);
    onCols(next);
  };
  return (
    <th aria-sort={by ? (by.desc ? 'descending' : 'ascending') : 'none'}>
      <Menu position="bottom-start" withinPortal shadow="md">
        <Menu.Target>
          <button type="button" className="head" title={`${name.slice(0, 300)}: sort, move, remove`}>
            <Outside text={(titles[name] ?? name).slice(0, 100)} />
            {by && (by.desc ? <IconArrowDown size={12} aria-hidden /> : <IconArrowUp size={12} aria-hidden />)}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item leftSection={<IconArrowUp size={15} />} onClick={() => onSort(name, false)}>Smallest first</Menu.Item>
          <Menu.Item leftSection={<IconArrowDown size={15} />} onClick={() => onSort(name, true)}>{name === 'time' ? 'Newest first' : 'Largest first'}</Menu.Item>
          {at >= 0 && (
            <>
              <Menu.Divider />
              <Menu.Item leftSection={<IconArrowLeft size={15} />} disabled={at === 0} onClick={() => swap(at - 1)}>Move left</Menu.Item>
              <Menu.Item leftSection={<IconArrowRight size={15} />} disabled={at === cols.length - 1} onClick={() => swap(at + 1)}>Move right</Menu.Item>
              <Menu.Item leftSection={<IconTrash size={15} />} onClick={() => onCols(cols.filter((c) => c !== name))}>Remove</Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      <Grip name={name} width={width} onWidth={onWidth} />
    </th>
  );
}
