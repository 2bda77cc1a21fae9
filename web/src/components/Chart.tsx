import { useComputedColorScheme } from '@mantine/core';
import { BarChart } from 'echarts/charts';
import { BrushComponent, GridComponent, ToolboxComponent, TooltipComponent } from 'echarts/components';
import { init, use as load, type ECharts } from 'echarts/core';
import { CanvasRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

import type { Histogram } from '../api/types';

load([BarChart, BrushComponent, GridComponent, ToolboxComponent, TooltipComponent, CanvasRenderer]);

/** The buckets with the empty ones between them, so that every bar is as wide as its time. */
function filled(of: Histogram): [number, number][] {
  const step = of.step_seconds * 1000;
  const counts = new Map(of.buckets.map((b) => [Date.parse(b.time), b.count]));
  const [first] = counts.keys();
  if (first === undefined || step <= 0) return [];
  const out: [number, number][] = [];
  const start = first - Math.ceil((first - Date.parse(of.from)) / step) * step;
  for (let t = start; t <= Date.parse(of.to) && out.length < 2000; t += step) out.push([t, counts.get(t) ?? 0]);
  return out;
}

interface Brushed { areas?: { coordRange?: [number, number] }[] }

/** Events over time; dragging over it zooms in. */
export function Chart({ of, onZoom }: { of: Histogram; onZoom: (from: Date, to: Date) => void }) {
  const box = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('dark');
  const zoom = useRef(onZoom);
  useEffect(() => {
    zoom.current = onZoom;
  });
  useEffect(() => {
    if (!box.current) return;
    const chart: ECharts = init(box.current);
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(name).trim();
    const half = (of.step_seconds * 1000) / 2;
    chart.setOption({
      animation: false,
      grid: { left: 46, right: 8, top: 8, bottom: 20 },
      tooltip: { trigger: 'axis', renderMode: 'richText', axisPointer: { type: 'shadow' }, backgroundColor: color('--raised'), borderColor: color('--line'), textStyle: { color: color('--text'), fontSize: 11 } },
      xAxis: { type: 'time', min: of.from, max: of.to, containShape: false, axisLabel: { color: color('--soft'), fontSize: 10, hideOverlap: true }, axisLine: { lineStyle: { color: color('--line') } } },
      yAxis: { type: 'value', minInterval: 1, splitNumber: 2, axisLabel: { color: color('--soft'), fontSize: 10 }, splitLine: { lineStyle: { color: color('--line') } } },
      toolbox: { show: false },
      brush: { xAxisIndex: 0, brushType: 'lineX', transformable: false, throttleType: 'debounce' },
      series: [{ type: 'bar', name: 'events', barMinWidth: 2, itemStyle: { color: color('--bar') }, data: filled(of).map(([t, n]) => [t + half, n]) }],
    });
    chart.dispatchAction({ type: 'takeGlobalCursor', key: 'brush', brushOption: { brushType: 'lineX', brushMode: 'single' } });
    chart.on('brushEnd', (e) => {
      const range = (e as Brushed).areas?.[0]?.coordRange;
      if (range && range[1] - range[0] >= 1000) zoom.current(new Date(range[0]), new Date(range[1]));
    });
    const watch = new ResizeObserver(() => chart.resize());
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [of, scheme]);
  return <div ref={box} className="chart" role="img" aria-label={`${of.total} events over time; drag to zoom in`} />;
}
