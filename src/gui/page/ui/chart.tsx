/** A line over time. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';

export interface Point {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Null is a gap. */
  readonly value: number | null;
}

const HEIGHT = 160;

/** What the line shows is told in words beside it: `label` names it, and is read in its place. */
export function Chart({
  points,
  label,
  unit,
}: {
  points: readonly Point[];
  label: string;
  unit: string;
}): JSX.Element {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const isDark = useDark();
  // `isDark` changes the colours, which it is drawn in.
  useEffect(() => {
    const element = holder.current;
    if (element === null) return;
    const colors = getComputedStyle(element);
    const text = colors.getPropertyValue('--text-soft');
    const line = colors.getPropertyValue('--accent');
    const axis = { stroke: text, grid: { stroke: colors.getPropertyValue('--line'), width: 1 } };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: true } },
        axes: [axis, { ...axis, size: 56, values: (_, values) => values.map((value) => `${value}${unit}`) }],
        series: [{}, { stroke: line, width: 2, points: { show: false } }],
      },
      [[], []],
      element,
    );
    plot.current = made;
    const onResize = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: HEIGHT }));
    onResize.observe(element);
    return () => {
      onResize.disconnect();
      made.destroy();
    };
  }, [unit, isDark]);
  useEffect(() => {
    plot.current?.setData([points.map(({ at }) => at / 1000), points.map(({ value }) => value)]);
  }, [points, isDark]);
  return <div class="chart" ref={holder} role="img" aria-label={label} />;
}

function useDark(): boolean {
  const [query] = useState(() => matchMedia('(prefers-color-scheme: dark)'));
  const [isDark, setDark] = useState(query.matches);
  useEffect(() => {
    const onChange = (): void => setDark(query.matches);
    query.addEventListener('change', onChange);
    return () => query.removeEventListener('change', onChange);
  }, [query]);
  return isDark;
}
